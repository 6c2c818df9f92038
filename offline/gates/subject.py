"""Whether validation results are about a bundle: settings, symbols, leader and bars must be its own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from contracts.model.bundle import Manifest, TrainingData
from offline.gates.check import Check
from offline.gates.results import BarsTold, Results

NAME = "about_this_bundle"


def about_this_bundle(
    manifest: Manifest, results: Results, unvalidated_days: int, source: str = "results"
) -> Check:
    """Pass when the results say how this bundle's recipe fares on this bundle's bars; else what differs.

    Same bars are told by their hash. A bundle trained on fewer of them (an earlier cut) is accepted and
    told, since its recipe was validated further than it was trained; so is one trained at most
    `unvalidated_days` beyond the last validated bar. Whether the shared bars are equal can not be told
    from hashes of different spans.
    """
    differs = _recipe(manifest, results)
    if differs:
        return Check(NAME, "fail", f"results of another model: {'; '.join(differs)}", source=source)
    notes: dict[str, list[str]] = {}
    for symbol in manifest.symbols:
        note, refused = _bars(manifest.training[symbol], results.bars[symbol], unvalidated_days)
        if refused:
            return Check(NAME, "fail", f"{symbol}: {note}", source=source)
        if note:
            notes.setdefault(note, []).append(symbol)
    if not notes:
        return Check(NAME, "pass", "same settings, symbols, leader and bars", source=source)
    told = "; ".join(f"{', '.join(symbols)}: {note}" for note, symbols in notes.items())
    unproven = "that the shared bars are equal is not provable from hashes of different spans"
    return Check(NAME, "pass", f"same settings, symbols and leader; {told}; {unproven}", source=source)


def _recipe(manifest: Manifest, results: Results) -> list[str]:
    differs = []
    params, train = _plain(manifest.params), _plain(results.settings.train)
    if params != train:
        keys = sorted(key for key in params.keys() | train.keys() if params.get(key) != train.get(key))
        differs.append(f"training settings differ in {', '.join(keys)}")
    if set(results.symbols) != set(manifest.symbols):
        validated, trained = (", ".join(sorted(one)) for one in (results.symbols, manifest.symbols))
        differs.append(f"symbols {validated}, of the bundle {trained}")
    if results.leader != manifest.features.leader:
        differs.append(f"leader {results.leader}, of the bundle {manifest.features.leader}")
    return differs


def _bars(trained: TrainingData, validated: BarsTold, days: int) -> tuple[str, bool]:
    """What differs in one symbol's bars, empty for nothing, and whether that is too much."""
    if trained.sha256 == validated.sha256:
        return "", False
    until, seen = trained.last_open_time, validated.last_open_time
    spans = f"trained on bars to {until:%Y-%m-%d %H:%M}, validated to {seen:%Y-%m-%d %H:%M}"
    if trained.first_open_time != validated.first_open_time:
        first = f"{trained.first_open_time:%Y-%m-%d} and {validated.first_open_time:%Y-%m-%d}"
        return f"{spans}, but they begin at {first}; validate on the bars it was trained on", True
    if until == seen:
        return f"{spans}: the same span with other values; validate on the bars it was trained on", True
    if (until < seen) != (trained.bars < validated.bars):
        return f"{spans}, but with {trained.bars} and {validated.bars} bars: not the same history", True
    if until > seen + timedelta(days=days):
        return f"{spans}: more than {days} days never validated; validate on newer bars", True
    side = "an earlier cut" if until < seen else "newer bars than validated"
    return f"{spans} ({side})", False


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: tuples are lists, numbers are numbers."""
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain
