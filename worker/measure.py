"""The gauges, brought up to date from what the process knows; asked for by each scrape."""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from contracts.model.bundle import Bundle
from contracts.model.drift import CHANNELS
from contracts.model.grid import close_time
from contracts.topics import Topics
from worker import metrics
from worker.nearness import Nearness
from worker.partition import Partition

if TYPE_CHECKING:
    from worker.health import Health


def describe(topics: Topics) -> None:
    """Say once what this process is; every closed series begins at 0."""
    metrics.begin(topics)
    told = (version("quant-bands"), str(topics.partition), str(topics.partitions))
    metrics.INFO.labels(*told).set(1)
    metrics.STARTED.set(time.time())


class Gauges:
    """Sets every gauge. What costs (scores, drift) is worked out again only after bars have come."""

    def __init__(self) -> None:
        self._nearness = Nearness()
        self._lineup: object = None

    def measure(self, health: Health) -> None:
        """Bring all of them up to date."""
        metrics.MEMORY.set(_memory_bytes())
        metrics.READY.set(not health.problems())
        metrics.SERVER_UP.set(health.server_up)
        metrics.LEASE_HELD.set(time.monotonic() < health.lease_until)
        if (reader := health.reader) is not None and reader.beat:
            metrics.READER_SILENCE.set(time.monotonic() - reader.beat)
        partition = health.partition
        if partition is None:
            return
        metrics.LAG.set(partition.backlog.lag)
        metrics.PENDING.set(partition.backlog.pending)
        held = time.monotonic() < health.lease_until
        metrics.LEASE_EPOCH.set(partition.lease.epoch if held else 0)
        metrics.NEWEST.set(partition.newest_close or 0)
        if partition.lineup is not self._lineup:
            self._lineup = partition.lineup
            _show_lineup(partition)
        _show_symbols(partition, self._nearness)
        _show_scores(partition)


def _show_lineup(partition: Partition) -> None:
    """Who is in force, and the symbols they serve; those they serve no more are forgotten."""
    lineup = partition.lineup
    for by_label in (metrics.BUNDLE, metrics.BUNDLE_TRAINED, metrics.SYMBOL_NEWEST, metrics.DRIFT):
        by_label.clear()
    for role, bundle in (("champion", lineup.champion), ("challenger", lineup.challenger)):
        if bundle is not None:
            metrics.BUNDLE.labels(bundle.label, role).set(1)
            metrics.BUNDLE_TRAINED.labels(role).set(trained_until(bundle))


def trained_until(bundle: Bundle) -> int:
    """When the newest bar the bundle was trained on closed, epoch seconds."""
    spans = bundle.manifest.training.values()
    return close_time(max(int(span.last_open_time.timestamp()) for span in spans))


def _show_symbols(partition: Partition, nearness: Nearness) -> None:
    for symbol, bundle, fold, book in partition.served():
        if (opened := fold.last_open_time) is not None:
            metrics.SYMBOL_NEWEST.labels(symbol).set(close_time(opened))
        for channel in CHANNELS:
            metrics.FINDINGS.labels(symbol, channel)
        ratios = nearness.of(symbol, bundle, book.watch) if book is not None else {}
        for watched, ratio in ratios.items():
            metrics.DRIFT.labels(symbol, watched).set(ratio)


def _show_scores(partition: Partition) -> None:
    for symbol, horizon, standing in partition.scoreboard.news():
        pair = (symbol, f"T{horizon}")
        metrics.COVERAGE.labels(*pair, "90").set(standing.coverage_90)
        metrics.COVERAGE.labels(*pair, "50").set(standing.coverage_50)
        metrics.RESOLVED.labels(*pair).set(standing.resolved)
        metrics.EFFECTIVE.labels(*pair).set(standing.effective)
        metrics.WINKLER.labels(*pair).set(standing.winkler_90)
        metrics.PINBALL.labels(*pair).set(standing.pinball)
        for level, share in standing.below.items():
            metrics.BELOW.labels(*pair, level).set(share)


def _memory_bytes() -> float:
    """Resident memory where /proc tells it, else its peak."""
    found = {sample.name: sample.value for family in metrics.PROCESS.collect() for sample in family.samples}
    if (resident := found.get("process_resident_memory_bytes")) is not None:
        return resident
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1_024)
