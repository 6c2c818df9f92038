"""How far each feature depends on where its warm-up began.

Ring features forget a bar after at most 360; the volatility scale averages with a half-life of up to 1,500
bars, and what is measured in it remembers as long. Here the fold starts anew at several later bars of the
same history, and its rows are held against those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle import Bundle
from contracts.model.candle import History
from contracts.model.grid import LEVELS
from contracts.model.spec import WARM_UP_BARS
from offline.dataset import Dataset, Progress, build_dataset, no_progress

SINCE_BARS = (361, 540, 720, 1_080, 1_500, 2_160, 3_000, 4_380, 6_570)
"""Where a column of the table begins: 60, 90, 120, 180, 250, 360, 500 days, 2 and 3 years after a start."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Largest absolute difference to the whole history, by feature and bars since the start.

    `since` are the first bars of each column; `features` (names) in units of the feature's own standard
    deviation over the whole history; `sigma` relative; `bands` the largest move of any quantile of any
    horizon, in units of the 90 % band's width.
    """

    starts: int
    since: tuple[int, ...] = ()
    features: Mapping[str, tuple[float, ...]] | None = None
    sigma: tuple[float, ...] = ()
    bands: tuple[float, ...] = ()
    why_not: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "starts": self.starts,
            "since_bars": list(self.since),
            "features": {name: list(row) for name, row in (self.features or {}).items()},
            "sigma": list(self.sigma),
            "bands": list(self.bands),
            "why_not": self.why_not,
        }


def measure(
    histories: Sequence[History], bundle: Bundle, *, starts: int = 4, progress: Progress = no_progress
) -> WarmUp:
    """Measure it on `histories`, which should reach back to the first bar a bundle was trained on."""
    spec = bundle.spec
    served = [one for one in histories if one.symbol in bundle.symbols]
    longest = max((len(one) for one in served), default=0)
    if longest < 2 * WARM_UP_BARS or (spec.leader and spec.leader not in {h.symbol for h in served}):
        return WarmUp(0, why_not=f"{longest} bars are at hand; give at least {2 * WARM_UP_BARS} with --bars")
    whole = build_dataset(served, spec, max_gap_bars=bundle.manifest.max_gap_bars)
    deviation = whole.rows.std(axis=0)
    deviation[deviation == 0.0] = 1.0
    known = {pair: n for n, pair in enumerate(_pairs(whole))}
    opened = np.unique(np.concatenate([one.open_time for one in served]))
    worst: dict[int, Array] = {}
    spread = (len(opened) - WARM_UP_BARS - 1) // (starts + 1)
    begins = [int(opened[number * spread]) for number in range(1, starts + 1)]
    for done, begin in enumerate(begins, 1):
        late = build_dataset(
            [rest for one in served if len(rest := one.between(begin, None)) > WARM_UP_BARS],
            spec,
            max_gap_bars=bundle.manifest.max_gap_bars,
        )
        _fold_in(worst, whole, late, known, bundle, deviation)
        progress("later starts", done, starts)
    columns = [one for one in SINCE_BARS if one in worst]
    table = np.array([worst[one] for one in columns]).T if columns else np.empty((len(spec.names) + 2, 0))
    return WarmUp(
        starts,
        tuple(columns),
        {name: tuple(row) for name, row in zip(spec.names, table.tolist(), strict=False)},
        tuple(table[-2].tolist()),
        tuple(table[-1].tolist()),
    )


def _pairs(dataset: Dataset) -> list[tuple[str, int]]:
    names = [dataset.symbols[n] for n in dataset.symbol]
    return list(zip(names, dataset.close_time.tolist(), strict=True))


def _fold_in(
    worst: dict[int, Array],
    whole: Dataset,
    late: Dataset,
    known: Mapping[tuple[str, int], int],
    bundle: Bundle,
    deviation: Array,
) -> None:
    """Widen `worst`, one column (features + 2,) by bars since the start, by what `late` differs."""
    pairs = _pairs(late)
    mine = np.array([n for n, pair in enumerate(pairs) if pair in known])
    at = np.array([known[pairs[n]] for n in mine])
    gap = np.abs(late.rows[mine] - whole.rows[at]) / deviation
    scale = np.abs(late.sigma[mine] / whole.sigma[at] - 1.0)
    bands = np.zeros(len(mine))
    for symbol in bundle.symbols:
        own = np.array([pairs[n][0] == symbol for n in mine])
        if own.any():
            first = _quantiles(bundle, symbol, whole, at[own])
            second = _quantiles(bundle, symbol, late, mine[own])
            width = first[..., len(LEVELS) - 1] - first[..., 0]
            bands[own] = (np.abs(second - first).max(axis=2) / width).max(axis=1)
    values = np.column_stack((gap, scale, bands))
    count = np.zeros(len(late.symbols), dtype=np.int64)
    since = np.empty(len(pairs), dtype=np.int64)
    for n, symbol_index in enumerate(late.symbol):
        since[n] = WARM_UP_BARS + count[symbol_index]
        count[symbol_index] += 1
    bucket = np.searchsorted(SINCE_BARS, since[mine], side="right") - 1
    for number in np.unique(bucket[bucket >= 0]):
        column = values[bucket == number].max(axis=0)
        since_bars = SINCE_BARS[number]
        worst[since_bars] = np.maximum(worst.get(since_bars, column), column)


def _quantiles(bundle: Bundle, symbol: str, dataset: Dataset, at: NDArray[np.int64]) -> Array:
    """Return quantiles before calibration, (n, horizons, 5)."""
    corrections = bundle.predictor.corrections(dataset.rows[at])
    heads = bundle.predictor.heads
    units = dataset.sigma[at][:, None] * np.array([math.sqrt(head.horizon_bars) for head in heads])
    raw = np.stack([head.standardised(corrections[:, n], symbol) for n, head in enumerate(heads)], axis=1)
    return np.asarray(raw * units[..., None])
