"""The issued bands on a calendar: one row per bar, one column per symbol, NaN where nothing is known."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.errors import BadInputError
from contracts.model.grid import BAR_SECONDS, INTERVALS, LEVEL_NAMES, LEVELS
from offline.metrics import Estimate, bootstrap_mean, effective_sample_size, pinball

Array = NDArray[np.float64]

COLUMNS: Final = ("symbol", "horizon_bars", "issued_at", "ref_price", *LEVEL_NAMES, "return")
NEARLY_ALL: Final = 0.9
"""Of a rolling window: a few missing bars must not hide it, half a window must not pass for one."""

CELLS: Final = ("below 5 %", "5 to 25 %", "25 to 50 %", "50 to 75 %", "75 to 95 %", "above 95 %")
CELL_SHARES: Final = (0.05, 0.20, 0.25, 0.25, 0.20, 0.05)


@dataclass(frozen=True, slots=True)
class HorizonBands:
    """Bands of one horizon: `times` epoch seconds (bars,), the rest (bars, symbols), quantiles (…, 5)."""

    horizon: int
    symbols: tuple[str, ...]
    times: NDArray[np.int64]
    ref_price: Array
    quantiles: Array
    outcome: Array

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a whole finite band and an outcome."""
        whole: NDArray[np.bool_] = np.isfinite(self.quantiles).all(axis=2) & np.isfinite(self.outcome)
        return whole

    def hits(self, coverage: float) -> Array:
        """1 where the outcome lies in the central interval, ends included, else 0; NaN where unknown."""
        low, high = INTERVALS[coverage]
        inside = (self.quantiles[..., low] <= self.outcome) & (self.outcome <= self.quantiles[..., high])
        return np.where(self.known, inside.astype(np.float64), np.nan)

    def losses(self) -> Array:
        """Mean pinball loss of the five levels, log-return units."""
        flat = pinball(self.outcome.ravel(), self.quantiles.reshape(-1, len(LEVELS)))
        loss: Array = flat.mean(axis=1).reshape(self.outcome.shape)
        return loss

    def below(self) -> list[Estimate]:
        """Share of outcomes at or below each quantile, with its block-bootstrap interval."""
        return [
            bootstrap_mean(self._where(self.outcome <= self.quantiles[..., level]), self.horizon)
            for level in range(len(LEVELS))
        ]

    def cells(self) -> list[Estimate]:
        """Share of outcomes in each of the six cells that the five quantiles cut."""
        cell = (self.quantiles < self.outcome[..., None]).sum(axis=2)
        return [bootstrap_mean(self._where(cell == number), self.horizon) for number in range(len(CELLS))]

    def years(self) -> NDArray[np.int64]:
        """The calendar year (UTC) of each row's issue."""
        whole: NDArray[np.int64] = self.times.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)
        return whole + 1970

    def rolling(self, values: Array, window_bars: int) -> Array:
        """Mean over symbols of each one's mean over the last `window_bars` rows, shape (bars,).

        NaN until a symbol has outcomes on nearly all of them.
        """
        known = np.isfinite(values)
        count = _trailing(known.astype(np.float64), window_bars)
        total = _trailing(np.where(known, values, 0.0), window_bars)
        enough = count >= NEARLY_ALL * window_bars
        means = np.divide(total, count, out=np.zeros_like(total), where=enough)
        symbols = enough.sum(axis=1)
        pooled: Array = np.divide(
            means.sum(axis=1), symbols, out=np.full(len(values), np.nan), where=symbols > 0
        )
        return pooled

    def _where(self, mask: NDArray[np.bool_]) -> Array:
        return np.where(self.known, mask.astype(np.float64), np.nan)


def pooled_mean(values: Array) -> float | None:
    """Mean over symbols of each one's mean; None without a value."""
    count = np.isfinite(values).sum(axis=0)
    total = np.where(np.isfinite(values), values, 0.0).sum(axis=0)
    return float((total[count > 0] / count[count > 0]).mean()) if (count > 0).any() else None


def n_effective(values: Array, horizon: int) -> int:
    """Outcomes of the best known symbol that do not overlap."""
    return effective_sample_size(int(np.isfinite(values).sum(axis=0).max(initial=0)), horizon)


def sampling_error(share: float, n_independent: int) -> float:
    """Standard error of a share of that many independent outcomes.

    >>> round(sampling_error(0.9, 52), 3)  # one year of weekly outcomes
    0.042
    """
    return float(np.sqrt(share * (1 - share) / n_independent)) if n_independent else float("inf")


def read_bands(raw: bytes, where: str) -> dict[int, HorizonBands]:
    """The horizons in `predictions.parquet`, by bars.

    Raises:
        BadInputError: it is no parquet, lacks a column, or is empty.
    """
    try:
        frame = pd.read_parquet(io.BytesIO(raw))
    except (OSError, ValueError) as error:
        raise BadInputError(f"expected the bands of `bands validate` in {where}, found: {error}") from error
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise BadInputError(
            f"expected columns {', '.join(COLUMNS)} in {where}, found {', '.join(missing)} missing; "
            "validate again with this release"
        )
    if frame.empty:
        raise BadInputError(f"expected issued bands in {where}, found none")
    frame = frame.assign(symbol=frame["symbol"].astype(str))
    horizons = sorted(frame["horizon_bars"].unique().tolist())
    return {int(one): _panels(int(one), frame[frame["horizon_bars"] == one]) for one in horizons}


def utc(seconds: NDArray[np.int64]) -> list[str]:
    """Epoch seconds as figures want them."""
    return [datetime.fromtimestamp(int(s), UTC).strftime("%Y-%m-%d %H:%M") for s in seconds]


def _panels(horizon: int, rows: pd.DataFrame) -> HorizonBands:
    symbols = tuple(sorted(rows["symbol"].unique()))
    seconds = rows["issued_at"].to_numpy("datetime64[s]").astype(np.int64)
    first = int(seconds.min())
    n_bars = (int(seconds.max()) - first) // BAR_SECONDS + 1
    at = (seconds - first) // BAR_SECONDS, np.searchsorted(symbols, rows["symbol"].to_numpy(dtype=str))

    def panel(name: str) -> Array:
        values = np.full((n_bars, len(symbols)), np.nan)
        values[at] = rows[name].to_numpy(dtype=np.float64)
        return values

    times = first + BAR_SECONDS * np.arange(n_bars, dtype=np.int64)
    quantiles = np.stack([panel(name) for name in LEVEL_NAMES], axis=2)
    return HorizonBands(horizon, symbols, times, panel("ref_price"), quantiles, panel("return"))


def _trailing(values: Array, window: int) -> Array:
    sums = np.cumsum(values, axis=0)
    lagged = np.zeros_like(sums)
    lagged[window:] = sums[:-window]
    difference: Array = sums - lagged
    return difference
