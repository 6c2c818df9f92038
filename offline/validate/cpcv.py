"""Combinatorial purged cross-validation of the whole recipe, beside HAR-RV on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, iso
from offline.baselines import HarRv
from offline.calibration import CalibrationChoice
from offline.calibration.held_out import contexts_of
from offline.dataset import Dataset, Progress, no_progress
from offline.metrics import effective_sample_size, hits, pinball
from offline.split import Fold, purged_combinations
from offline.train import TrainPlan, training_key
from offline.validate.refit import predicted, trained
from offline.validate.store import Arrays, WindowStore, key_of
from offline.validate.windows import rows_of

Array = NDArray[np.float64]

METHOD = "cpcv, 2"
"""Raise the number when the same input gives other folds, so that finished ones are not reused."""


@dataclass(frozen=True, slots=True)
class CpcvSettings:
    """Calendar blocks, how many of them are tested at once, and bars left out after each tested block.

    The embargo of 180 bars is the longest window of most features. Raises `ValueError` for impossible
    settings.
    """

    groups: int = 5
    test_groups: int = 1
    embargo_bars: int = 180

    def __post_init__(self) -> None:
        if not 1 <= self.test_groups < self.groups or self.embargo_bars < 0:
            raise ValueError(
                "expected 1 <= test groups < groups and an embargo of at least 0 bars, found "
                f"{self.test_groups}, {self.groups} and {self.embargo_bars}"
            )

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON types."""
        return asdict(self)


def split_folds(dataset: Dataset, settings: CpcvSettings) -> list[Fold]:
    """The folds: row numbers of the dataset, purged by the longest horizon, so for all of them.

    Raises `ValueError` for a fold with nothing left to train on.
    """
    return purged_combinations(
        dataset.close_time, max(HORIZONS), settings.groups, settings.test_groups, settings.embargo_bars
    )


def cross_validate(
    dataset: Dataset,
    histories: Sequence[History],
    settings: CpcvSettings,
    plan: TrainPlan,
    horizons: Sequence[int],
    store: WindowStore,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Train and test every fold; what `results.json` holds under `cpcv`.

    Calibration is split CQR, whatever the plan ships: folds have a future on both sides, so nothing can be
    learned in order. `variance_between_folds` is the standard deviation over folds of pinball divided
    by HAR-RV's on the same fold. Finished folds are kept in `store`.

    Raises `ValueError` as `split_folds` does, and when a fold has too little to train on.
    """
    static = replace(plan, calibration=dict.fromkeys(HORIZONS, CalibrationChoice("split_cqr")))
    labelled = rows_of(dataset, np.isfinite(dataset.returns).any(axis=1))
    folds = split_folds(labelled, settings)
    inputs = {
        "method": METHOD,
        "training": training_key(histories, static, dataset.spec.leader, dataset.max_gap_bars),
        "symbols": dataset.symbols,
        "settings": settings.to_json(),
    }
    told: dict[str, list[dict[str, Any]]] = {f"T{horizon}": [] for horizon in horizons}
    for number, fold in enumerate(folds, 1):
        progress("cross-validation folds", number - 1, len(folds))
        name, key = f"cpcv-{number}", key_of(inputs | {"fold": number})
        arrays = store.load(name, key)
        if arrays is None:
            arrays = _run_fold(labelled, histories, fold, settings, static, number, progress)
            store.save(name, key, arrays)
        for horizon in horizons:
            told[f"T{horizon}"].append(_fold_scores(labelled, fold, arrays, horizon, number))
    progress("cross-validation folds", len(folds), len(folds))
    return {
        "settings": settings.to_json(),
        "horizons": {name: _summary(scores) for name, scores in told.items()},
    }


def _run_fold(
    dataset: Dataset,
    histories: Sequence[History],
    fold: Fold,
    settings: CpcvSettings,
    plan: TrainPlan,
    number: int,
    progress: Progress,
) -> Arrays:
    heads = trained(rows_of(dataset, fold.train_idx), plan, progress, f"cross-validation fold {number}")
    at = fold.test_idx
    _, raw = predicted(heads, dataset, at)
    issued = np.empty_like(raw)
    contexts = contexts_of(dataset.close_time[at], dataset.volatility_ratio[at])
    for h, head in enumerate(heads):
        # Split CQR pools the symbols: any one's calibrator is everyone's.
        issued[:, h] = next(iter(head.head.calibrators.values())).interval(raw[:, h], contexts)
    issued *= _units(dataset, at)
    har = np.full_like(issued, np.nan)
    for symbol, history in enumerate(histories):
        mine = np.flatnonzero(dataset.symbol[at] == symbol)
        if not len(mine):
            continue
        where = np.searchsorted(history.open_time + BAR_SECONDS, dataset.close_time[at[mine]])
        for h, horizon in enumerate(HORIZONS):
            past = _without_tested(history, dataset.close_time, at, horizon + settings.embargo_bars)
            if len(past) == 0:
                continue
            try:
                fitted = HarRv().fit(past, horizon, int(past.open_time[-1]) + BAR_SECONDS)
            except ValueError:  # a young symbol: too few labels outside the tested blocks
                continue
            har[mine, h] = fitted.quantiles(history)[where]
    return {"issued": issued, "har_rv": har}


def _without_tested(
    history: History, times: NDArray[np.int64], at: NDArray[np.int64], after_bars: int
) -> History:
    """The history without the tested blocks and `after_bars` behind each: what HAR-RV may be fitted on.

    Cutting bars out purges by itself: a label needs its target bar, and volatility windows do not span
    a hole. The fit loses 361 bars of warm-up behind each block, as a real gap would cost it.
    """
    calendar = np.unique(times)
    tested = np.searchsorted(calendar, np.unique(times[at]))
    closes = history.open_time + BAR_SECONDS
    keep = np.ones(len(history), dtype=bool)
    for block in np.split(tested, np.flatnonzero(np.diff(tested) > 1) + 1):
        first, last = calendar[block[0]], calendar[block[-1]]
        keep &= (closes <= first) | (closes >= last + after_bars * BAR_SECONDS)
    prices = (history.open, history.high, history.low, history.close, history.volume)
    return History(history.symbol, history.open_time[keep], *(column[keep] for column in prices))


def _units(dataset: Dataset, at: NDArray[np.int64]) -> Array:
    units: Array = (dataset.sigma[at][:, None] * np.sqrt(np.array(HORIZONS)))[:, :, None]
    return units


def _fold_scores(dataset: Dataset, fold: Fold, arrays: Arrays, horizon: int, number: int) -> dict[str, Any]:
    h, at = HORIZONS.index(horizon), fold.test_idx
    y = dataset.returns[at, h]
    q, har = (
        np.where(np.isfinite(arrays[name][:, h]), arrays[name][:, h], np.nan) for name in ("issued", "har_rv")
    )
    model, reference = pinball(y, q).mean(axis=1), pinball(y, har).mean(axis=1)
    known = np.isfinite(model)
    both = known & np.isfinite(reference)
    bars = len(np.unique(dataset.close_time[at[known]]))
    paired, base = _mean(model, both), _mean(reference, both)
    return {
        "fold": number,
        "first": iso(int(dataset.close_time[at[0]])),
        "last": iso(int(dataset.close_time[at[-1]])),
        "train_rows": len(fold.train_idx),
        "n": int(known.sum()),
        "n_effective": effective_sample_size(bars, horizon),
        "pinball": _mean(model, known),
        "pinball_har_rv": base,
        "pinball_to_har_rv": None if paired is None or not base else paired / base,
        "coverage_90": _mean(hits(y, q, 0.90), known),
        "coverage_50": _mean(hits(y, q, 0.50), known),
    }


def _mean(values: Array, mask: NDArray[np.bool_]) -> float | None:
    return float(values[mask].mean()) if mask.any() else None


def _summary(folds: list[dict[str, Any]]) -> dict[str, Any]:
    ratios = [fold["pinball_to_har_rv"] for fold in folds if fold["pinball_to_har_rv"] is not None]
    means = {
        name: float(np.mean(known)) if (known := [f[name] for f in folds if f[name] is not None]) else None
        for name in ("pinball", "pinball_to_har_rv", "coverage_90", "coverage_50")
    }
    spread = float(np.std(ratios, ddof=1)) if len(ratios) > 1 else None
    return {"folds": folds, **means, "variance_between_folds": spread}
