"""A search small enough to be killed and repeated: `python -m tests.offline.hpo.tiny FOLDER TRIALS [URL]`.

With a URL it says `ready` when it could begin, and begins at the next line of its input.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from contracts.model.candle import History
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, build_dataset
from offline.hpo import CellPool, SearchPlan, search
from offline.market import MarketSpec, simulate
from tests.market import START

TRIALS = 13


@cache
def market(n_bars: int = 1_200) -> tuple[Dataset, tuple[History, ...]]:
    """One symbol's rows and bars."""
    histories = tuple(simulate(MarketSpec(), ("AAA",), n_bars, START, seed=5).histories.values())
    return build_dataset(histories, FeatureSpec()), histories


def run(
    folder: Path,
    plan: SearchPlan,
    horizons: tuple[int, ...] = (42,),
    workers: int = 2,
    storage: str | None = None,
    **more: Any,
) -> list[Path]:
    """Search into `folder`."""
    dataset, histories = market()
    with CellPool(workers) as pool:
        return search(dataset, histories, horizons, plan, folder, pool, storage=storage, **more)


if __name__ == "__main__":
    url = sys.argv[3] if len(sys.argv) > 3 else None
    if url is not None:
        market()
        print("ready", flush=True)  # noqa: T201 - to the process that waits for it
        sys.stdin.readline()
    run(Path(sys.argv[1]), SearchPlan(trials=int(sys.argv[2])), storage=url)
