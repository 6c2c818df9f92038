"""Which calibrator each horizon ships with: `calibration_optimal.json`.

Schema `calibration/1`: `rule`, `burn_in_days`, `data` (what it was computed from) and under `horizons` for
`T42` … the `best` choice (method, window_days, step), its `label`, its `coverage_90` and `coverage_50`, the
`q_hat_90` and `q_hat_50` it ends with (mean over symbols) and `q_hat_by_symbol`, a `note`, and `candidates`:
for each its label, coverages and Winkler losses (estimates with interval and effective sample size; losses
are ratios to split CQR on the same rows) and the mean yearly misses of both intervals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError
from contracts.files import write_json
from contracts.model.grid import BAR_SECONDS, HORIZONS
from offline.calibration.choice import CalibrationChoice
from offline.calibration.compare import BURN_IN_DAYS, CANDIDATES, Served, scored_rows
from offline.calibration.fit import fit_calibrators
from offline.calibration.held_out import HeldOut
from offline.metrics import bootstrap_mean, bootstrap_ratio, hits, winkler

Array = NDArray[np.float64]

SCHEMA = "calibration/1"
TOLERANCE = 0.005
RULE = (
    "of the candidates whose Winkler loss (mean of the ratios of both intervals) is within 0.5 % of the "
    "best, the one with the least mean yearly miss of coverage, both intervals counted alike"
)


def optimal(held_out: Sequence[HeldOut], served: Sequence[Served], data: dict[str, Any]) -> dict[str, Any]:
    """The whole of `calibration_optimal.json`."""
    horizons = {}
    for held in held_out:
        mine = [one for one in served if one.horizon == held.horizon]
        horizons[f"T{held.horizon}"] = _best(held, mine)
    return {
        "schema": SCHEMA,
        "rule": RULE,
        "burn_in_days": BURN_IN_DAYS,
        "candidates": [choice.label for choice in CANDIDATES],
        "data": data,
        "horizons": horizons,
    }


def write_optimal(told: dict[str, Any], path: Path) -> None:
    """Write the file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, told)


def load_choices(path: Path) -> dict[int, CalibrationChoice]:
    """The best choice of every horizon in the file.

    Raises:
        BadInputError: the file is missing, is no result of `bands calibrate`, or names what is unknown.
    """
    try:
        told = json.loads(path.read_text())
        if told["schema"] == SCHEMA:
            return _choices(told)
        error: Exception = ValueError(f"schema {told['schema']}")
    except (OSError, ValueError, KeyError, TypeError) as caught:
        error = caught
    raise BadInputError(
        f"expected a result of `bands calibrate` ({SCHEMA}) in {path}, found: {error}; run it again"
    ) from error


def _choices(told: dict[str, Any]) -> dict[int, CalibrationChoice]:
    return {
        horizon: CalibrationChoice.from_json(told["horizons"][f"T{horizon}"]["best"])
        for horizon in HORIZONS
        if f"T{horizon}" in told["horizons"]
    }


def _best(held: HeldOut, served: Sequence[Served]) -> dict[str, Any]:
    scored = scored_rows(held)
    panels = _Panels(scored)
    reference = served[0]
    told = [panels.scores(one, reference) for one in served]
    losses = [(one["winkler_90_to_split"]["value"] + one["winkler_50_to_split"]["value"]) / 2 for one in told]
    fit = [n for n, loss in enumerate(losses) if loss <= min(losses) * (1 + TOLERANCE)]
    best = min(fit, key=lambda n: told[n]["yearly_miss_90"] + told[n]["yearly_miss_50"])
    choice = served[best].choice
    final = {name: one.q_hat for name, one in fit_calibrators(choice, held).items()}
    q_hat = {coverage: float(np.mean([one[coverage] for one in final.values()])) for coverage in (0.90, 0.50)}
    return {
        "best": choice.to_json(),
        "label": choice.label,
        "coverage_90": told[best]["coverage_90"],
        "coverage_50": told[best]["coverage_50"],
        "q_hat_90": q_hat[0.90],
        "q_hat_50": q_hat[0.50],
        "q_hat_by_symbol": {
            name: {f"{coverage:.2f}": width for coverage, width in one.items()} for name, one in final.items()
        },
        "note": _note(q_hat),
        "candidates": told,
    }


def _note(q_hat: dict[float, float]) -> str | None:
    narrowed = [f"{coverage:.0%}: {width:+.4f}" for coverage, width in q_hat.items() if width <= 0]
    if not narrowed:
        return None
    return (
        f"q_hat is not positive ({', '.join(narrowed)}): before calibration the model covers more than "
        "asked, and the interval is narrowed accordingly"
    )


class _Panels:
    """Scores of issued rows on the calendar: one row a bar, one column a symbol."""

    def __init__(self, held: HeldOut) -> None:
        self._held = held
        self._unit = held.sigma * np.sqrt(held.horizon)
        first = int(held.close_time[0])
        self._bar = (held.close_time - first) // BAR_SECONDS
        self._year = held.close_time.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64)

    def _panel(self, values: Array) -> Array:
        panel = np.full((int(self._bar[-1]) + 1, len(self._held.symbols)), np.nan)
        panel[self._bar, self._held.symbol] = values
        return panel

    def scores(self, served: Served, reference: Served) -> dict[str, Any]:
        """All scores of one candidate, its losses beside those of `reference`."""
        y, horizon = self._held.targets, self._held.horizon
        told: dict[str, Any] = {"label": served.choice.label, **served.choice.to_json()}
        for coverage in (0.90, 0.50):
            name = f"{coverage * 100:.0f}"
            hit = np.where(np.isfinite(served.issued).all(axis=1), hits(y, served.issued, coverage), np.nan)
            told[f"coverage_{name}"] = asdict(bootstrap_mean(self._panel(hit), horizon))
            told[f"yearly_miss_{name}"] = self._yearly_miss(hit, coverage)
            ours, theirs = (
                self._panel(winkler(y, one.issued, coverage) * self._unit) for one in (served, reference)
            )
            told[f"winkler_{name}_to_split"] = asdict(bootstrap_ratio(ours, theirs, horizon))
        return told

    def _yearly_miss(self, hit: Array, coverage: float) -> float:
        """Mean of |coverage - nominal| over symbols and the calendar years they have rows in."""
        misses = [
            abs(float(own.mean()) - coverage)
            for symbol in range(len(self._held.symbols))
            for year in np.unique(self._year)
            if len(own := hit[(self._held.symbol == symbol) & (self._year == year) & np.isfinite(hit)])
        ]
        return float(np.mean(misses))
