"""What learning online is worth: one bundle over years of bars, its calibrators learning and not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.events import Bar, DriftAlert, Outcome
from contracts.model.bundle import Bundle
from contracts.model.calibrator import BandContext
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, close_time
from contracts.model.scores import hits, winkler
from contracts.topics import Topics
from offline.dataset import Progress
from offline.market.spec import BARS_PER_YEAR
from offline.metrics import bootstrap_mean, bootstrap_ratio
from offline.validate.scores import to_json
from ops.replay import merge_bars
from worker.arrival import Arrival
from worker.book import CLOSE_TIME, RAW, SIGMA, VOLATILITY_RATIO
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State

Array = NDArray[np.float64]
Key = tuple[str, int, int]
"""Symbol, horizon, and epoch seconds of issue."""

TOLD_EVERY = 200
TOPICS = Topics()


@dataclass(frozen=True, slots=True)
class Scored:
    """One band with its label: hits of both intervals and the outer's Winkler score, learning and not."""

    learning: tuple[float, float, float]
    standing: tuple[float, float, float]


def bench_online(
    bundle: Bundle, histories: Sequence[History], symbols: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Fold `histories` through the worker's engine and score every band of `symbols` that has a label.

    Both variants come from one run and differ in the calibrators alone.
    """
    alerts = Counter[str]()
    scored = _run(bundle, merge_bars(histories), set(symbols), alerts, progress)
    if not scored:
        raise ValueError("expected bands with a label, found none; give bars after the bundle's training")
    times = sorted({at for _, _, at in scored})
    first, n_bars = times[0], (times[-1] - times[0]) // BAR_SECONDS + 1
    symbol_years = n_bars * len(symbols) / BARS_PER_YEAR
    panels = np.full((len(HORIZONS), 2, 3, n_bars, len(symbols)), np.nan)
    for (symbol, horizon, at), one in scored.items():
        cell = (at - first) // BAR_SECONDS, list(symbols).index(symbol)
        panels[HORIZONS.index(horizon), :, :, *cell] = np.array([one.learning, one.standing])
    return {
        "bundle": bundle.label,
        "calibrator": {f"T{h.horizon_bars}": h.calibrator for h in bundle.manifest.heads},
        "symbols": list(symbols),
        "first": _iso(times[0]),
        "last": _iso(times[-1]),
        "bands": len(scored),
        "alerts_per_symbol_year": {name: n / symbol_years for name, n in sorted(alerts.items())},
        "horizons": {f"T{horizon}": _told(panels[h], horizon, first) for h, horizon in enumerate(HORIZONS)},
        "pooled": _told(panels.mean(axis=0), HORIZONS[-1], first, panels),
    }


def _run(
    bundle: Bundle,
    bars: Sequence[Bar],
    symbols: set[str],
    alerts: Counter[str],
    progress: Progress,
) -> dict[Key, Scored]:
    engine, state = Engine(Lineup(bundle)), State()
    shipped = {symbol: bundle.predictor.calibrators(symbol) for symbol in bundle.symbols}
    standing: dict[Key, Array] = {}
    scored: dict[Key, Scored] = {}
    for number, bar in enumerate(bars):
        step = engine.step(state, Arrival(f"{number + 1}-0", {}, bar))
        state = step.state
        if bar.symbol in symbols:
            for event in step.events:
                if event.stream == TOPICS.drift:
                    alerts[DriftAlert.from_wire(event.payload).channel] += 1
                if event.stream.startswith("outcomes."):
                    _score(Outcome.from_wire(event.payload), standing, scored)
            book = state.books.get((bundle.sha256, bar.symbol))
            for horizon in HORIZONS if book is not None else ():
                assert book is not None
                rows = book.open[horizon]
                if len(rows) and rows[-1, CLOSE_TIME] == close_time(bar.candle.open_time):
                    row = rows[-1]
                    context = BandContext(int(row[CLOSE_TIME]), float(row[VOLATILITY_RATIO]))
                    issued = shipped[bar.symbol][horizon].interval(row[RAW], context)
                    key = (bar.symbol, horizon, int(row[CLOSE_TIME]))
                    standing[key] = issued * (row[SIGMA] * math.sqrt(horizon))
        if number % TOLD_EVERY == 0:
            progress("serving", number, len(bars))
    progress("serving", len(bars), len(bars))
    return scored


def _score(one: Outcome, standing: Mapping[Key, Array], scored: dict[Key, Scored]) -> None:
    if one.realised is None or one.winkler_90 is None:
        return
    key = (one.symbol, one.horizon_bars, int(one.issued_at.timestamp()))
    y, q = np.array([one.realised]), standing[key][None]
    still = (float(hits(y, q, 0.90)[0]), float(hits(y, q, 0.50)[0]), float(winkler(y, q, 0.90)[0]))
    scored[key] = Scored((float(bool(one.hit_90)), float(bool(one.hit_50)), one.winkler_90), still)


def _told(panel: Array, horizon: int, first: int, each: Array | None = None) -> dict[str, Any]:
    """What `panel` (2 variants, 3 scores, bars, symbols) says; `each` has the horizons a pool is made of."""
    ratio = bootstrap_ratio(panel[0, 2], panel[1, 2], horizon)
    told: dict[str, Any] = {"winkler_ratio": to_json(ratio)}
    for variant, name in enumerate(("learning", "standing")):
        told[name] = {
            "coverage_90": to_json(bootstrap_mean(panel[variant, 0], horizon)),
            "coverage_50": to_json(bootstrap_mean(panel[variant, 1], horizon)),
            "yearly_miss": _yearly_miss(
                [p[variant, 0] for p in (each if each is not None else panel[None])], first
            ),
        }
    return told


def _yearly_miss(panels: Iterable[Array], first: int) -> float:
    """Mean over horizons, symbols and calendar years of |coverage - 90 %|, a fraction."""
    misses = []
    for hit in panels:
        years = np.array([datetime.fromtimestamp(first + n * BAR_SECONDS, UTC).year for n in range(len(hit))])
        for year in np.unique(years):
            inside = hit[years == year]
            counted = np.isfinite(inside).sum(axis=0)
            covered = np.nansum(inside, axis=0)
            misses += [abs(c / n - 0.90) for c, n in zip(covered, counted, strict=True) if n]
    return float(np.mean(misses))


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%MZ")
