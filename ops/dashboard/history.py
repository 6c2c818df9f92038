"""Bars from before the streams begin: the workspace's archive and what `bands ingest` has kept."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import numpy as np

from contracts.errors import BadInputError
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS
from offline.ingest import read_bars
from offline.retrain import archive_folder
from ops.dashboard.cache import Cache
from ops.dashboard.rows import BAR, Table

log = logging.getLogger(__name__)

EVERY_S = 600.0


class Archive(threading.Thread):
    """Loads the files once and again when they have changed; `loaded` is set after the first pass."""

    def __init__(self, cache: Cache, workspace: Path) -> None:
        super().__init__(name="dashboard-archive", daemon=True)
        self._cache = cache
        self._folders = (workspace / "bars", archive_folder(workspace))
        self._seen: dict[Path, tuple[float, int]] = {}
        self._halt = threading.Event()
        self.loaded = threading.Event()

    def stop(self) -> None:
        """Ask it to end; a file being read is finished first."""
        self._halt.set()

    def run(self) -> None:
        """Load until stopped."""
        epoch = self._cache.epoch
        while not self._halt.is_set():
            if epoch != self._cache.epoch:  # the cache was emptied
                epoch = self._cache.epoch
                self._seen.clear()
            self.load()
            self.loaded.set()
            for _ in range(round(EVERY_S)):
                if self._halt.wait(1.0) or epoch != self._cache.epoch:
                    break

    def load(self) -> None:
        """Take every file that is new or has changed; one that can not be read is told in the log."""
        for folder in self._folders:
            for file in sorted(folder.glob("*.parquet")):
                try:
                    stat = file.stat()
                    if self._seen.get(file) == (stat.st_mtime, stat.st_size):
                        continue
                    self._seen[file] = (stat.st_mtime, stat.st_size)
                    history = read_bars(file).history
                except (BadInputError, OSError, ValueError) as error:
                    log.warning("not shown: %s", error)
                    continue
                self._cache.add_history(history.symbol, table_of(history))


def table_of(history: History) -> Table:
    """A history as the cache keeps it."""
    table = np.empty(len(history), BAR)
    table["at"] = history.open_time + BAR_SECONDS
    for name in ("open", "high", "low", "close"):
        table[name] = getattr(history, name)
    return table
