"""The bars to retrain on: files, and what has flowed since."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from contracts.model.candle import History
from offline.retrain import archive_folder, extended, read_archive
from ops.cli.bar_files import chosen_histories
from ops.pipeline.work import ROWLESS_BARS

log = logging.getLogger(__name__)


def retraining_bars(files: Sequence[Path], workspace: Path, symbols: Sequence[str]) -> list[History]:
    """Each symbol's bars in `files`, with the newer ones of the workspace's archive behind them.

    Without files, every archived symbol that is old enough to train on. `symbols` keeps these only; none
    keeps all.

    Raises:
        BarFileError: a file can not be read.
        ValueError: there are no bars to train on, or none of a symbol asked for.
    """
    archive = read_archive(workspace)
    if files:
        found = chosen_histories(list(files), None, symbols)
        if others := sorted(set(archive) - {history.symbol for history in found}):
            log.info("not trained on, since no file of bars has them: %s", ", ".join(others))
        return [extended(history, archive.get(history.symbol)) for history in found]
    old_enough = [
        h for h in archive.values() if len(h) > ROWLESS_BARS and (not symbols or h.symbol in symbols)
    ]
    if not old_enough:
        told = ", ".join(f"{name} {len(one)}" for name, one in archive.items()) or "no bars"
        raise ValueError(
            f"expected a symbol with more than {ROWLESS_BARS} bars in {archive_folder(workspace)}, found "
            f"{told}; name files with --bars"
        )
    return old_enough
