"""Telling again up to one bar: its record, and the state right after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.events import Band
from contracts.model.candle import History
from offline.dataset import Progress as OnProgress
from ops.audit.before import whole_history
from ops.audit.retell import retell
from ops.audit.served import Served
from worker.step import State


def tell_until(
    served: Served,
    symbol: str,
    opened: int,
    horizon: int,
    folders: Mapping[str, Path],
    histories: Sequence[History],
    progress: OnProgress,
) -> tuple[Band, State] | None:
    """The record of the bar of `symbol` that opened at `opened`, and the state after it; None without one.

    Raises:
        BeginningGoneError: bars the worker began with are neither in the stream nor in `histories`.
        MissingBundleError: a bundle that answered is not among `folders`.
    """
    entries, bundles = whole_history(served, folders, histories)
    stream, mark = served.topics.bands(horizon), f'"symbol":"{symbol}"'.encode()
    for done, told in enumerate(retell(entries, served.swaps, bundles, served.topics), 1):
        if done % 50 == 0 or done == len(entries):
            progress("telling again", done, len(entries))
        for event in told.step.events:
            if event.stream == stream and mark in event.payload:
                record = Band.from_wire(event.payload)
                if int(record.open_time.timestamp()) == opened:
                    progress("telling again", len(entries), len(entries))
                    return record, told.step.state
    return None
