"""Runs one outside peer on arrays: `python driver.py PEER question.npz answer.npz`.

This file runs in the peers' environment, where nothing of ours can be imported. The question holds
`past_*` rows to learn from (features, unit, returns, symbol, bar), `asked_*` rows to predict, `followed_*`
labels that close while the asked rows are served, `horizon`, `levels` and `threads`; the answer
`quantiles`, log returns, one row per asked row, NaN where there were too few past rows.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

LEAST_ROWS = 1_000
"""Past rows of a symbol without which nothing is fitted: 24 independent outcomes at T = 42."""

BOOSTING = {
    "n_estimators": 300,
    "max_depth": 4,
    "num_leaves": 15,
    "learning_rate": 0.01,
    "min_child_samples": 100,
    "random_state": 7,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
"""The published depth, learned slowly: its thousand trees at rate 0.03 lose 22 % pinball to HAR-RV."""

CALIBRATION_SHARE = 0.2


Part = dict[str, Any]


def mapie_cqr(past: Part, asked: Part, horizon: int, levels: list[float], threads: int) -> Any:
    """MAPIE's split CQR on LightGBM quantile models of raw returns, one set per symbol.

    The last fifth of a symbol's rows calibrates; rows whose label closes within it teach neither.
    """
    lightgbm, mapie = import_module("lightgbm"), import_module("mapie.regression")
    rows, returns, bar = past["features"], past["returns"], past["bar"]
    first = bar[int(len(bar) * (1 - CALIBRATION_SHARE))]
    proper, held_out = bar + horizon <= first, bar >= first
    models = {
        level: lightgbm.LGBMRegressor(objective="quantile", alpha=level, n_jobs=threads, **BOOSTING).fit(
            rows[proper], returns[proper]
        )
        for level in levels
    }
    low, lower, median, upper, high = levels
    columns = {}
    for bottom, top in ((low, high), (lower, upper)):
        ends = [models[bottom], models[top], models[median]]
        cqr = mapie.ConformalizedQuantileRegressor(ends, confidence_level=round(top - bottom, 6), prefit=True)
        cqr.conformalize(rows[held_out], returns[held_out])
        columns[median], interval = cqr.predict_interval(asked["features"])
        columns[bottom], columns[top] = interval[:, 0, 0], interval[:, 1, 0]
    return np.column_stack([columns[level] for level in levels])


def qrf(past: Part, asked: Part, horizon: int, levels: list[float], threads: int) -> Any:  # noqa: ARG001
    """A quantile regression forest of standardised returns, one per symbol: 300 trees, 100 rows a leaf."""
    forest = import_module("quantile_forest").RandomForestQuantileRegressor(
        n_estimators=300, min_samples_leaf=100, max_features=1 / 3, random_state=7, n_jobs=threads
    )
    forest.fit(past["features"], past["returns"] / past["unit"])
    return forest.predict(asked["features"], quantiles=list(levels)) * asked["unit"][:, None]


SERIES_BARS = 240
"""Newest values a forecast needs: the longest window of the lags below, and some to spare."""
MOST_WINDOWS = 40


def mlforecast(
    past: Part, asked: Part, followed: Part, horizon: int, levels: list[float], threads: int
) -> Any:
    """mlforecast's direct LightGBM with its conformal distribution intervals, one model for all symbols.

    The series of a symbol is its standardised return over the horizon, at the bar where it closes. The
    library's intervals are offsets from the point forecast, fixed at the fit, so the forecast of every
    asked bar is that bar's point forecast from the series closed by then, plus its symbol's offsets.
    """
    pandas, library = import_module("pandas"), import_module("mlforecast")
    transforms, utils = import_module("mlforecast.lag_transforms"), import_module("mlforecast.utils")
    lightgbm = import_module("lightgbm")
    series = {
        int(symbol): _series(followed, symbol, horizon)
        for symbol in np.unique(past["symbol"])
        if (past["symbol"] == symbol).sum() >= LEAST_ROWS
    }
    answer = np.full((len(asked["bar"]), len(levels)), np.nan)
    if not series:
        return answer
    cut = {symbol: int(past["bar"][past["symbol"] == symbol].max()) + horizon for symbol in series}
    table = pandas.concat(
        [
            pandas.DataFrame({"unique_id": s, "ds": bars[bars <= cut[s]], "y": values[bars <= cut[s]]})
            for s, (bars, values) in series.items()
        ]
    )
    model = lightgbm.LGBMRegressor(
        **BOOSTING
        | {
            "n_estimators": 60,
            "learning_rate": 0.03,
            "max_depth": 2,
            "num_leaves": 4,
            "min_child_samples": 500,
        },
        n_jobs=threads,
    )
    lags = {1: [transforms.RollingMean(42), transforms.RollingStd(42), transforms.RollingStd(180)]}
    forecaster = library.MLForecast(
        {"m": model}, freq=1, lags=[1, 42, 180], lag_transforms=lags, num_threads=threads
    )
    shortest = min(len(group) for _, group in table.groupby("unique_id"))
    windows = min(MOST_WINDOWS, shortest // (2 * horizon))
    intervals = utils.PredictionIntervals(n_windows=windows, h=horizon, method="conformal_distribution")
    forecaster.fit(table, max_horizon=horizon, prediction_intervals=intervals, static_features=[])
    inner, outer = round(100 * (levels[3] - levels[1])), round(100 * (levels[4] - levels[0]))
    names = [f"m-lo-{outer}", f"m-lo-{inner}", "m", f"m-hi-{inner}", f"m-hi-{outer}"]
    fitted = forecaster.predict(horizon, level=[inner, outer]).groupby("unique_id").tail(1)
    offsets = fitted.set_index("unique_id")[names].sub(fitted.set_index("unique_id")["m"], axis=0)
    for symbol, (bars, values) in series.items():
        mine = np.flatnonzero(asked["symbol"] == symbol)
        ends = np.searchsorted(bars, asked["bar"][mine], side="right")
        enough = ends >= SERIES_BARS
        mine, ends = mine[enough], ends[enough]
        if not len(mine):
            continue
        span = ends[:, None] + np.arange(-SERIES_BARS, 0)
        issue = pandas.DataFrame(
            {"unique_id": np.repeat(mine, SERIES_BARS), "ds": bars[span].ravel(), "y": values[span].ravel()}
        )
        points = forecaster.predict(horizon, new_df=issue).groupby("unique_id").tail(1).set_index("unique_id")
        point = points["m"].reindex(mine).to_numpy()
        standardised = point[:, None] + offsets.loc[symbol].to_numpy()
        answer[mine] = standardised * asked["unit"][mine][:, None]
    return answer


def _series(followed: Part, symbol: int, horizon: int) -> tuple[Any, Any]:
    """Closing bar and value of a symbol's standardised returns on every bar; a hole keeps the last value."""
    mine = followed["symbol"] == symbol
    bar, value = followed["bar"][mine] + horizon, (followed["returns"] / followed["unit"])[mine]
    every = np.arange(bar[0], bar[-1] + 1)
    return every, value[np.searchsorted(bar, every, side="right") - 1]


def by_symbol(peer: Callable[..., Any]) -> Callable[..., Any]:
    """The peer fitted to each symbol on its own rows, in the order of their bars."""

    def run(past: Part, asked: Part, followed: Part, horizon: int, levels: list[float], threads: int) -> Any:  # noqa: ARG001
        answer = np.full((len(asked["bar"]), len(levels)), np.nan)
        for symbol in np.unique(asked["symbol"]):
            mine = asked["symbol"] == symbol
            known = {name: column[past["symbol"] == symbol] for name, column in past.items()}
            if len(known["bar"]) >= LEAST_ROWS:
                wanted = {name: column[mine] for name, column in asked.items()}
                answer[mine] = peer(known, wanted, horizon, levels, threads)
        return answer

    return run


PEERS: dict[str, Callable[..., Any]] = {
    "mapie-cqr": by_symbol(mapie_cqr),
    "qrf": by_symbol(qrf),
    "mlforecast": mlforecast,
}


def main(peer: str, question: str, answer: str) -> None:
    """Answer one question; quantiles are rearranged so that none cross."""
    warnings.simplefilter("ignore")
    with np.load(question, allow_pickle=False) as archive:
        held = {name: archive[name] for name in archive.files}
    parts = [
        {name.removeprefix(f"{part}_"): held[name] for name in held if name.startswith(f"{part}_")}
        for part in ("past", "asked", "followed")
    ]
    levels = [float(level) for level in held["levels"]]
    quantiles = PEERS[peer](*parts, int(held["horizon"]), levels, int(held["threads"]))
    np.savez(answer, allow_pickle=False, quantiles=np.sort(quantiles, axis=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
