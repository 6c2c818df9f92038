"""The leaderboard of one horizon: common rows, every model's scores, and the targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.leaderboard.market import Market
from offline.leaderboard.panels import CommonRows, ModelScores
from offline.leaderboard.targets import OURS, horizon_targets

Array = NDArray[np.float64]

REFERENCE, HARD_TO_BEAT = "har-rv", "ewma-ecdf"


def horizon_board(market: Market, horizon: int, models: Mapping[str, Array]) -> dict[str, Any]:
    """Score every model on the rows that all of them answer for.

    `models` holds quantiles for every dataset row, (n, 5), of `OURS`, `REFERENCE`, `HARD_TO_BEAT` and the
    other peers. One without an answer for any of our rows is left out; else a row that one model lacks
    is dropped for all, and counted.

    Raises `ValueError` when no row is left.
    """
    answered = {name: np.isfinite(quantiles).all(axis=1) for name, quantiles in models.items()}
    wanted = answered[OURS] & np.isfinite(market.returns(horizon))
    silent = {
        name: f"no answer for any of our {int(wanted.sum()):,} rows; too little history before its refits"
        for name, has in answered.items()
        if name != OURS and not (has & wanted).any()
    }
    if needed := sorted({REFERENCE, HARD_TO_BEAT} & set(silent)):
        raise ValueError(
            f"expected {' and '.join(needed)} to answer for rows of T{horizon}, found "
            f"{silent[needed[0]]}; use a later --start or more history"
        )
    entered = [name for name in models if name not in silent]
    common = wanted & np.logical_and.reduce([answered[name] for name in entered])
    if not common.any():
        raise ValueError(
            f"expected rows of T{horizon} that every model answers for, found none; leave a peer out with "
            "--peers"
        )
    rows = CommonRows(
        horizon,
        market.dataset.symbols,
        market.dataset.symbol[common],
        market.dataset.close_time[common],
        market.returns(horizon)[common],
    )
    scores = {name: ModelScores(rows, models[name][common]) for name in entered}
    present = np.unique(rows.symbol).tolist()
    scopes = {rows.symbols[column]: [column] for column in present}
    told: dict[str, Any] = {
        "rows": {
            "ours": int(wanted.sum()),
            "common": len(rows),
            "lacking": {name: int((wanted & ~answered[name]).sum()) for name in entered if name != OURS},
        },
        "left_out": silent,
        "models": {
            name: {
                "pooled": one.told(scores[REFERENCE], present),
                "symbols": {
                    symbol: one.told(scores[REFERENCE], columns) for symbol, columns in scopes.items()
                },
            }
            for name, one in scores.items()
        },
        "bands_to_ewma_ecdf": _paired(scores[OURS], scores[HARD_TO_BEAT], present, scopes),
    }
    return told | {"targets": horizon_targets(told)}


def _paired(
    ours: ModelScores, other: ModelScores, every: list[int], scopes: Mapping[str, list[int]]
) -> dict[str, Any]:
    def both(columns: list[int]) -> dict[str, Any]:
        return {score: ours.ratio(other, score, columns) for score in ("pinball", "winkler_90")}

    return {
        "pooled": both(every),
        "symbols": {symbol: both(columns) for symbol, columns in scopes.items()},
    }
