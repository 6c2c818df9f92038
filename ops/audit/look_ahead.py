"""No band served knew the future: proven on the served history itself.

Three ways to the same numbers. Batch: rows, forest and labels of the whole history at once, the future
included, must give the very bands that were served bar by bar. Cut: the same with everything after a random
moment replaced by garbage must give the same rows and bands up to it. Training: the code that makes
training rows, from the first bar a bundle was trained on, must make the rows the worker folded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contracts.model.bundle import Bundle
from contracts.model.candle import Candle, History
from contracts.model.grid import BAR_SECONDS, close_time, iso
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, build_dataset, no_progress
from offline.dataset import Progress as OnProgress
from ops.audit.batch import Array, Rows, Stretches, fold_rows, history_of, issue_all
from ops.audit.differences import SHOWN, Difference
from ops.audit.ledger import Ledger, Stretch

GARBAGE_BARS = 66
"""Nonsense after a cut, beyond the longest horizon: every label open at the cut is garbage."""


@dataclass(slots=True)
class Proof:
    """How many values were compared, at which cuts, and what was found to differ.

    `training` says why the training side's rows could not be compared, empty where they were.
    """

    bands: int = 0
    rows: int = 0
    cuts: list[str] = field(default_factory=list)
    cut_bands: int = 0
    cut_rows: int = 0
    training_rows: int = 0
    training: str = ""
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            name: getattr(self, name)
            for name in ("bands", "rows", "cuts", "cut_bands", "cut_rows", "training_rows", "training")
        } | {"differing": self.differing}

    def differs(self, where: str, what: str, field_: str, served: object, other: object) -> None:
        """Note one value that is not the same."""
        self.differing += 1
        if sum(one.where == where for one in self.differences) < SHOWN:
            self.differences.append(Difference(where, "", what, field_, repr(served), repr(other)))


def prove(
    ledger: Ledger,
    histories: Mapping[str, History],
    *,
    cuts: int,
    seed: int = 0,
    progress: OnProgress = no_progress,
) -> tuple[Proof, Rows]:
    """Prove it for everything in `ledger`; `histories` are files of bars from before, by symbol."""
    proof, bundles = Proof(), list(ledger.bundles.values())
    rows = _folded("batch rows", ledger.stretches, bundles, progress)
    end = max((one for key in ledger.lives for life in ledger.lives[key] for one in life), default=0)
    proof.rows = sum(map(len, rows.own.values()))
    proof.bands = _compare_bands(proof, "batch", ledger, rows, ledger.stretches, close_time(end))
    rng = random.Random(seed)
    moments = sorted({one for key in ledger.lives for life in ledger.lives[key] for one in life})
    for number, opened in enumerate(sorted(rng.sample(moments, min(cuts, len(moments)))), 1):
        cut = close_time(opened)
        proof.cuts.append(iso(cut))
        ruined = {s: _ruined(parts, cut, rng) for s, parts in ledger.stretches.items()}
        again = _folded(f"future cut off, {number} of {cuts}", ruined, bundles, progress)
        proof.cut_rows += _compare_rows(proof, f"cut at {iso(cut)}", rows, again, cut)
        proof.cut_bands += _compare_bands(proof, f"cut at {iso(cut)}", ledger, again, ruined, cut)
    _compare_training(proof, ledger, rows, histories, rng, progress)
    return proof, rows


def _folded(what: str, stretches: Stretches, bundles: Sequence[Bundle], progress: OnProgress) -> Rows:
    total = sum(len(one.candles) for parts in stretches.values() for one in parts)
    rows = Rows({}, {})
    for done, finished in fold_rows(stretches, bundles):
        rows = finished
        progress(what, done, total)
    return rows


def _ruined(parts: Sequence[Stretch], cut: int, rng: random.Random) -> list[Stretch]:
    """The stretches up to `cut`, then bars that never were."""
    kept = [
        Stretch(one.start, one.max_gap_bars, [c for c in one.candles if close_time(c.open_time) <= cut])
        for one in parts
    ]
    kept = [one for one in kept if one.candles] or [Stretch(parts[0].start, parts[0].max_gap_bars)]
    kept[-1].candles.extend(garbage(cut, rng))
    return kept


def garbage(cut: int, rng: random.Random) -> Iterator[Candle]:
    """Valid bars after `cut` that no market would make."""
    for number in range(GARBAGE_BARS):
        low = 10.0 ** rng.uniform(-4, 4)
        high = low * (1.0 + 9.0 * rng.random())
        a, b = rng.uniform(low, high), rng.uniform(low, high)
        yield Candle(cut + number * BAR_SECONDS, a, high, low, b, 10.0 ** rng.uniform(0, 6))


def _compare_bands(proof: Proof, where: str, ledger: Ledger, rows: Rows, bars: Stretches, until: int) -> int:
    compared = 0
    for key, horizon, opened, band in issue_all(ledger, rows, bars, until):
        served = ledger.issued.get((key, horizon, opened))
        if served is None:
            continue
        compared += 1
        for name, a, b in zip(("sigma", "q05", "q25", "q50", "q75", "q95"), served, band, strict=True):
            if a != b:
                what = f"T{horizon} {key[1]} {iso(opened)} of {ledger.bundles[key[0]].label}"
                proof.differs(where, what, name, a, b)
    return compared


def _compare_rows(proof: Proof, where: str, rows: Rows, again: Rows, cut: int) -> int:
    compared = 0
    for symbol, own in rows.own.items():
        for opened, row in own.items():
            if close_time(opened) > cut:
                continue
            compared += 1
            other = again.own[symbol][opened]
            if row.values.tobytes() != other.values.tobytes() or row[1:] != other[1:]:
                proof.differs(where, f"{symbol} {iso(opened)}", "features", row, other)
    return compared


def _compare_training(
    proof: Proof,
    ledger: Ledger,
    rows: Rows,
    histories: Mapping[str, History],
    rng: random.Random,
    progress: OnProgress,
) -> None:
    """The rows of `build_dataset`, whole and with the future ruined, against the folded ones."""
    gaps = {one.max_gap_bars for parts in ledger.stretches.values() for one in parts}
    moments = sorted({opened for own in rows.own.values() for opened in own})
    if not moments or len(gaps) != 1:
        proof.training = "no feature rows were served" if not moments else "the gap rule was changed"
        return
    gap = gaps.pop()
    for spec in dict.fromkeys(one.spec for one in ledger.bundles.values()):
        whole, proof.training = _whole(ledger, spec, histories)
        if proof.training:
            return
        cut = close_time(rng.choice(moments))
        for done, end in enumerate((None, cut), 1):
            where = "training side" if end is None else f"training side cut at {iso(end)}"
            parts = [_cut_history(one, end, rng) for one in whole.values()]
            dataset = build_dataset(parts, spec, max_gap_bars=gap)
            proof.training_rows += _compare_dataset(proof, where, dataset, rows, end)
            progress("training rows", done, 2)


def _compare_dataset(proof: Proof, where: str, dataset: Dataset, rows: Rows, end: int | None) -> int:
    compared, names = 0, dataset.spec.names
    for number, closed in enumerate(dataset.close_time.tolist()):
        symbol, opened = dataset.symbols[dataset.symbol[number]], closed - BAR_SECONDS
        own = rows.own.get(symbol, {}).get(opened)
        wanted = None if own is None else _with_context(own.values, rows, dataset.spec, opened)
        if own is None or wanted is None or (end is not None and closed > end):
            continue
        compared += 1
        found = (*dataset.rows[number].tolist(), float(dataset.sigma[number]))
        expected = (*wanted.tolist(), own.sigma)
        if found != expected:
            pairs = zip((*names, "sigma"), expected, found, strict=True)
            name, a, b = next(one for one in pairs if one[1] != one[2])
            proof.differs(where, f"{symbol} {iso(opened)}", name, a, b)
    return compared


def _with_context(own: Array, rows: Rows, spec: FeatureSpec, opened: int) -> Array | None:
    if spec.leader is None:
        return own
    told = rows.context[spec.leader].get(opened - BAR_SECONDS)
    return None if told is None else np.concatenate((own, told))


def _whole(
    ledger: Ledger, spec: FeatureSpec, histories: Mapping[str, History]
) -> tuple[dict[str, History], str]:
    """Each symbol's bars from the first it was trained on to the last served, or why they are not at hand."""
    if not ledger.bundles:
        return {}, "no bundle answered"
    whole = {}
    for symbol, parts in ledger.stretches.items():
        bundle = next((b for b in ledger.bundles.values() if symbol in b.symbols), None)
        if bundle is None:
            continue
        start = parts[0].start.last_open_time
        trained = bundle.manifest.training[symbol]
        first = int(trained.first_open_time.timestamp())
        known = histories.get(symbol)
        if len(parts) > 1:
            return {}, f"{symbol} was folded from a bundle's state again on the way"
        if known is None or start is None or len(known) == 0 or int(known.open_time[0]) > first:
            since = f"{symbol} since {iso(first)}"
            return {}, f"give the bars that were trained on with --bars, {since} at least"
        past = known.between(close_time(first) - 1, close_time(start)).candles()
        whole[symbol] = history_of(symbol, [*past, *parts[0].candles])
    if spec.leader is not None and spec.leader not in whole:
        return {}, f"the leader {spec.leader} has no bars in this partition"
    return whole, ""


def _cut_history(history: History, cut: int | None, rng: random.Random) -> History:
    if cut is None:
        return history
    return history_of(history.symbol, [*history.between(None, cut).candles(), *garbage(cut, rng)])
