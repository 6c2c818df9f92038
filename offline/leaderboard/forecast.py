"""Every peer's quantiles on every row, window by window; what is finished is kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UnavailableError
from contracts.model.grid import LEVELS, iso
from offline.dataset import Progress, no_progress
from offline.leaderboard.calendar import Refit
from offline.leaderboard.market import Market
from offline.leaderboard.peer import Peer
from offline.validate.store import WindowStore, key_of

METHOD = "leaderboard forecast, 1"
"""Raise the number when the same input gives other rows, so that finished windows are not reused."""

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Forecasts:
    """Quantiles of each peer and horizon for every dataset row, (n, 5), NaN where it has not answered."""

    quantiles: dict[tuple[str, int], Array]
    left_out: dict[str, str]
    """Peers without an answer, and why."""
    reused: int
    """Windows that were finished by an earlier run."""


def forecast_all(
    market: Market,
    peers: Sequence[Peer],
    horizons: Sequence[int],
    begin: int,
    stop: int,
    store: WindowStore,
    progress: Progress = no_progress,
) -> Forecasts:
    """Ask every peer for the rows closing in [begin, stop), epoch seconds.

    A peer that can not run is left out with its reason, and the rest goes on.
    """
    done = Forecasts({}, {}, 0)
    digests: dict[int, dict[str, str]] = {}
    for peer in peers:
        try:
            progress(f"preparing {peer.name}", 0, 1)
            peer.prepare()
            progress(f"preparing {peer.name}", 1, 1)
            found = _forecast(market, peer, horizons, begin, stop, store, digests, done, progress)
        except UnavailableError as error:
            log.warning("%s is left out: %s", peer.name, error)
            done.left_out[peer.name] = str(error)
            continue
        for horizon, quantiles in found.items():
            done.quantiles[peer.name, horizon] = quantiles
    return done


def _forecast(
    market: Market,
    peer: Peer,
    horizons: Sequence[int],
    begin: int,
    stop: int,
    store: WindowStore,
    digests: dict[int, dict[str, str]],
    done: Forecasts,
    progress: Progress,
) -> dict[int, Array]:
    refits = peer.cadence.refits(begin, stop)
    answer = {horizon: np.full((len(market.dataset), len(LEVELS)), np.nan) for horizon in horizons}
    total = len(refits) * len(horizons)
    for number, (refit, horizon) in enumerate((r, h) for r in refits for h in horizons):
        progress(f"{peer.name} refits", number, total)
        if refit.stop not in digests:
            digests[refit.stop] = market.bars_sha256(refit.stop)
        key = _key(market, peer, refit, horizon, digests[refit.stop])
        name = f"{peer.name}-T{horizon}-{iso(refit.begin)[:10]}"
        kept = store.load(name, key)
        if kept is None:
            kept = {"quantiles": peer.forecast(market, refit, horizon)}
            store.save(name, key, kept)
        else:
            done.reused += 1
        answer[horizon][market.served(refit)] = kept["quantiles"]
    progress(f"{peer.name} refits", total, total)
    return answer


def _key(market: Market, peer: Peer, refit: Refit, horizon: int, bars: dict[str, str]) -> str:
    return key_of(
        {
            "method": METHOD,
            "peer": [peer.name, peer.told()],
            "span": [refit.start, refit.begin, refit.stop],
            "horizon": horizon,
            "symbols": market.dataset.symbols,
            "bars": bars,
            "features": market.dataset.spec.sha256,
            "max_gap_bars": market.dataset.max_gap_bars,
        }
    )
