"""The leaderboard: the bands of the walk-forward beside every peer asked for."""

from __future__ import annotations

from typing import Any

from offline.dataset import Progress
from offline.leaderboard import OURS, cadence, entrants, leaderboard, read_predictions
from offline.leaderboard.run import RESULT, SCHEMA
from offline.validate.run import PREDICTIONS
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work

REFIT = "30"
"""Days between refits of HAR-RV and ewma-ecdf, as in `bands bench forecast`."""


def _inputs(work: Work) -> dict[str, Any]:
    return {
        "bars": work.bars_told(),
        "leader": work.leader,
        "peers": list(work.options.peers),
        "max_gap_bars": work.settings.train.max_gap_bars,
        "method": f"{SCHEMA}, refits every {REFIT} days",
    }


def _run(work: Work, progress: Progress) -> Done:
    own = work.settings.train
    done = leaderboard(
        read_predictions(work.validation / PREDICTIONS),
        work.histories,
        work.folder / "leaderboard",
        entrants(
            list(work.options.peers),
            work.settings.workspace_path / "peers",
            baseline_cadence=cadence(REFIT),
            threads=own.threads,
        ),
        leader=work.leader,
        max_gap_bars=own.max_gap_bars,
        progress=progress,
    )
    told = [f"{name} {_place(board)}" for name, board in done.results["horizons"].items()]
    return Done([done.folder / RESULT], "our place by pinball: " + ", ".join(told))


def _place(board: dict[str, Any]) -> str:
    losses = {name: one["pooled"]["pinball"] for name, one in board["models"].items()}
    return f"{sorted(losses, key=losses.__getitem__).index(OURS) + 1} of {len(losses)}"


FORECAST = Stage("forecast", ("validate",), _inputs, _run, asked=lambda work: bool(work.options.peers))
