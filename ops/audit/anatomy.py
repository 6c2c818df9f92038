"""One band taken apart: features, forest, empirical quantiles, calibration, and LightGBM's reasons."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from contracts.events import Band
from contracts.model.bundle import Bundle
from contracts.model.context import LeaderTrack
from contracts.model.grid import LEVEL_NAMES
from contracts.model.predictor import model_name
from worker.book import Book
from worker.step import State

Array = NDArray[np.float64]

TOLERANCE = 1e-9
"""How far contributions may miss the correction they explain, in units of σ√T: they are summed otherwise."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """How a band came about; levels in the order of the grid, standardised values in units of σ√T.

    `features` are (name, value, percentile in training); `contributions` (features + 1, 5) are LightGBM's,
    the last row its base value; `equal` says that the quantiles are those served, bit for bit.
    """

    features: tuple[tuple[str, float, float], ...]
    sigma: float
    unit: float
    empirical: tuple[float, ...]
    correction: tuple[float, ...]
    weight: float
    median_shrink: float
    raw: tuple[float, ...]
    issued: tuple[float, ...]
    returns: tuple[float, ...]
    prices: tuple[float, ...]
    method: str
    q_hat: Mapping[float, float]
    contributions: Array
    equal: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        names = [name for name, _, _ in self.features]

        def by_level(values: tuple[float, ...]) -> dict[str, float]:
            return dict(zip(LEVEL_NAMES, values, strict=True))

        return {
            "features": {
                name: {"value": value, "percentile": round(rank, 2)} for name, value, rank in self.features
            },
            "sigma": self.sigma,
            "sigma_sqrt_horizon": self.unit,
            "empirical": by_level(self.empirical),
            "learned_correction": by_level(self.correction),
            "correction_weight": self.weight,
            "median_shrink": self.median_shrink,
            "raw": by_level(self.raw),
            "calibrated": by_level(self.issued),
            "returns": by_level(self.returns),
            "prices": by_level(self.prices),
            "method": self.method,
            "q_hat": {f"{coverage:.2f}": q for coverage, q in self.q_hat.items()},
            "contributions": {
                level: dict(zip([*names, "base"], self.contributions[:, n].tolist(), strict=True))
                for n, level in enumerate(LEVEL_NAMES)
            },
            "equals_served": self.equal,
        }


def take_apart(record: Band, state: State, bundle: Bundle, folder: Path) -> Anatomy | None:
    """The band `record` taken apart, from the state right after its bar; None when that holds no such bar."""
    fold = state.symbols.get(record.symbol)
    opened = int(record.open_time.timestamp())
    if fold is None or fold.last_open_time != opened or (row := fold.features.row()) is None:
        return None
    context = None
    if (leader := bundle.spec.leader) is not None:
        tracks = (state.leaders.get(leader, LeaderTrack.empty()), bundle.leader)
        context = max(tracks, key=lambda track: track.last_open_time).before(opened)
        if context is None:
            return None
    book = state.books.get((bundle.sha256, record.symbol)) or Book.start(bundle, record.symbol)
    one = bundle.predict(record.symbol, row, context, book.calibrators)[record.horizon_bars]
    inputs = row.values if context is None else np.concatenate((row.values, context.values))
    number = [head.horizon_bars for head in bundle.predictor.heads].index(record.horizon_bars)
    head = bundle.predictor.heads[number]
    correction = bundle.predictor.corrections(inputs[None])[0, number]
    returns = tuple(one.quantiles)
    served = tuple(record.returns.model_dump().values()) if record.returns else ()
    return Anatomy(
        _ranked(bundle.spec.names, inputs, folder),
        one.sigma,
        one.sigma * math.sqrt(record.horizon_bars),
        tuple(head.empirical[record.symbol].tolist()),
        tuple(correction.tolist()),
        head.weight,
        head.median_shrink,
        one.raw,
        one.issued,
        returns,
        tuple(one.prices(record.ref_price).values()),
        one.method,
        one.q_hat,
        contributions(folder, record.horizon_bars, inputs, correction),
        served == returns and record.sigma == one.sigma,
    )


def contributions(folder: Path, horizon: int, inputs: Array, correction: Array) -> Array:
    """LightGBM's contributions (SHAP values) of each feature and the base value, shape (features + 1, 5).

    Raises:
        RuntimeError: they do not add up to the forest's correction, so they would explain something else.
    """
    found = []
    for level in LEVEL_NAMES:
        text = (folder / "models" / f"{model_name(horizon, level)}.txt").read_text()
        booster = lightgbm.Booster(model_str=text)
        found.append(np.asarray(booster.predict(inputs[None], pred_contrib=True, num_threads=1))[0])
    table: Array = np.array(found, dtype=np.float64).T
    if not np.allclose(table.sum(axis=0), correction, rtol=TOLERANCE, atol=TOLERANCE):
        raise RuntimeError(
            f"expected contributions that add up to the correction {correction.tolist()}, found "
            f"{table.sum(axis=0).tolist()}; the models of {folder} are not those of its forest"
        )
    return table


def _ranked(names: tuple[str, ...], inputs: Array, folder: Path) -> tuple[tuple[str, float, float], ...]:
    """Each feature with its percentile among the rows of training, 0 below and 100 above all of them."""
    with np.load(io.BytesIO((folder / "reference.npz").read_bytes()), allow_pickle=False) as stored:
        quantiles = stored["quantiles"]
    grid = np.arange(101.0)
    return tuple(
        (name, float(value), float(np.interp(value, known, grid)))
        for name, value, known in zip(names, inputs, quantiles, strict=True)
    )
