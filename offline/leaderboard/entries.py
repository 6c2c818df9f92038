"""Our bands as they were issued: the rows that every peer has to answer for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.errors import BadInputError
from contracts.model.grid import LEVEL_NAMES, iso
from offline.leaderboard.market import Market

COLUMNS = ("symbol", "horizon_bars", "issued_at", *LEVEL_NAMES, "return")

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Predictions:
    """`predictions.parquet` of a validation run: the bands with an outcome issued in [start, end)."""

    path: Path
    sha256: str
    frame: pd.DataFrame
    """`issued` in epoch seconds besides the file's columns."""

    @property
    def horizons(self) -> list[int]:
        """Horizons that have bands, in bars."""
        return sorted(int(horizon) for horizon in self.frame["horizon_bars"].unique())

    @property
    def first(self) -> int:
        """Issue time of the first band, epoch seconds."""
        return int(self.frame["issued"].min())

    @property
    def last(self) -> int:
        """Issue time of the last band, epoch seconds."""
        return int(self.frame["issued"].max())

    def on(self, market: Market, horizon: int) -> Array:
        """Quantiles of our band for every row of the market's dataset, (n, 5), NaN where there is none.

        Raises `BadInputError` for a symbol without bars, or a return that the bars do not say.
        """
        dataset = market.dataset
        mine = self.frame[self.frame["horizon_bars"] == horizon]
        if missing := sorted(set(mine["symbol"]) - set(dataset.symbols)):
            raise BadInputError(
                f"expected bars of every symbol in {self.path}, found none of {', '.join(missing)}; "
                "give their files with --bars"
            )
        names = np.array(dataset.symbols, dtype=object)[dataset.symbol]
        rows = pd.DataFrame({"symbol": names, "issued": dataset.close_time}).merge(
            mine, on=["symbol", "issued"], how="left", validate="one_to_one"
        )
        told = rows["return"].to_numpy(dtype=np.float64)
        known = market.returns(horizon)
        both = np.isfinite(told) & np.isfinite(known)
        wrong = np.flatnonzero(both & (np.abs(np.where(both, told - known, 0.0)) > 1e-9))
        if len(wrong):
            at = int(wrong[0])
            when = iso(int(dataset.close_time[at]))
            raise BadInputError(
                f"expected the bars that {self.path} was made on, found a return of {known[at]:.6f} instead "
                f"of {told[at]:.6f} for {names[at]} issued at {when}, T{horizon}; "
                "give the same files, or validate again"
            )
        quantiles: Array = rows[list(LEVEL_NAMES)].to_numpy(dtype=np.float64)
        return quantiles


def read_predictions(path: Path, start: int | None = None, end: int | None = None) -> Predictions:
    """Read bands and keep those with an outcome that are issued in [start, end), epoch seconds.

    Raises:
        FileNotFoundError: there is no such file.
        BadInputError: it is not a validation run's predictions, or none is in the span.
    """
    raw = path.read_bytes()
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise BadInputError(
            f"expected predictions.parquet of `bands validate`, found {path}: {error}"
        ) from error
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise BadInputError(
            f"expected predictions.parquet of `bands validate`, found {path} without {', '.join(missing)}"
        )
    issued = frame["issued_at"].dt.tz_convert("UTC").dt.tz_localize(None)
    frame = frame.assign(issued=issued.to_numpy().astype("datetime64[s]").astype(np.int64))
    if frame.duplicated(["symbol", "horizon_bars", "issued"]).any():
        raise BadInputError(f"expected one band per symbol, horizon and bar, found two of one in {path}")
    inside = frame["issued"] >= (start if start is not None else frame["issued"].min())
    if end is not None:
        inside &= frame["issued"] < end
    inside &= frame["return"].notna()
    if not inside.any():
        first, last = iso(int(frame["issued"].min())), iso(int(frame["issued"].max()))
        raise BadInputError(
            f"expected bands with an outcome between --start and --end in {path}, found bands from {first} "
            f"to {last}; use another span"
        )
    return Predictions(path, hashlib.sha256(raw).hexdigest(), frame[inside].drop(columns="issued_at"))
