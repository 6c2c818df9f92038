"""The peers by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from offline.baselines import EwmaEcdf, GarchT, HarRv
from offline.leaderboard.calendar import Cadence, EveryDays, EveryMonths
from offline.leaderboard.environment import PeersEnvironment
from offline.leaderboard.grid import GridPeer
from offline.leaderboard.outside import OUTSIDE, OutsidePeer
from offline.leaderboard.peer import BaselinePeer, Peer

OPTIONAL = ("garch-t", "lgb-grid", *OUTSIDE)
"""What may be asked for beside HAR-RV and ewma-ecdf, which are always there."""


def entrants(
    names: Sequence[str],
    environments: Path,
    *,
    baseline_cadence: Cadence | None = None,
    threads: int | None = None,
) -> list[Peer]:
    """HAR-RV, ewma-ecdf and the named peers; `environments` is where the outside ones are installed.

    `baseline_cadence` refits HAR-RV and ewma-ecdf, 30 days unless said; the others have their own.
    Raises `ValueError` for a name that is not in `OPTIONAL`.
    """
    if unknown := [name for name in names if name not in OPTIONAL]:
        raise ValueError(f"expected peers among {', '.join(OPTIONAL)}, found {', '.join(unknown)}")
    often = baseline_cadence or EveryDays(30)
    inside: dict[str, Peer] = {
        "garch-t": BaselinePeer(GarchT(), EveryMonths(6)),
        "lgb-grid": GridPeer(threads=threads),
    }
    environment = PeersEnvironment(environments)
    chosen = [
        inside.get(name) or OutsidePeer(name, environment, threads or 1) for name in OPTIONAL if name in names
    ]
    return [BaselinePeer(HarRv(), often), BaselinePeer(EwmaEcdf(), often), *chosen]
