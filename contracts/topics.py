"""Every stream, key and consumer-group name, with or without a partition."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from contracts.model.grid import HORIZONS

GROUP = "bands-worker"
"""The worker's consumer group on the bars stream."""

RETRAIN_STATUS = "retrain.status"

RETRAIN_GROUP = "bands-retrainer"
"""The retrainers' consumer group on every retrain stream."""
RETRAIN_CONSUMER = "retrainer"
"""The one consumer name of that group, whoever holds the lock: a successor inherits the pending list."""
RETRAIN_LEASE = "{retrain.status}.lease"
"""Which retrainer may run: its fencing token, with a time to live. The hash tag puts it, and what follows,
beside the status stream on a cluster."""
RETRAIN_EPOCH = "{retrain.status}.epoch"
"""Counter of retrainer leases ever taken."""
RETRAIN_RUN = "{retrain.status}.run"
"""Hash: the run in progress; absent between runs."""
RETRAIN_ACCEPTED = "{retrain.status}.accepted"
"""Hash by bundle label: when a run for it was last accepted (server's milliseconds), and its id."""
RETRAIN_ENDED = "{retrain.status}.ended"
"""Sorted set of run ids that have their final status, by time."""
RETRAIN_SCHEDULED = "{retrain.status}.scheduled"
"""The last calendar month (`2026-11`) the schedule has seen."""
RELEASES = "releases"

FEED_LEASE = "feed.lease"
"""Which feed may send: its token, with a time to live."""
FEED_EPOCH = "feed.{feed.lease}.epoch"
"""Counter of feed leases ever taken; its hash tag puts it beside the lease on a cluster."""
FEED_SENT = "feed.sent"
"""Hash by symbol: open time of the last bar sent and acknowledged, ISO 8601."""
FEED_INTENT = "feed.intent"
"""The bars being sent now: whoever goes on after a crash sends the very same bytes again."""


def partition_of(symbol: str, partitions: int) -> int:
    """The partition a symbol always lives in: CRC32 of its name modulo the partition count.

    >>> partition_of("BTCUSDT", 1), partition_of("BTCUSDT", 4)
    (0, 3)
    """
    return zlib.crc32(symbol.encode()) % partitions


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of one partition. With one partition they are plain; with several all of them carry the
    partition's hash tag, so that one script may touch them together on Redis Cluster.

    >>> Topics().bars, Topics().bands(42)
    ('bars.4h', 'bands.T42')
    >>> Topics(partition=3, partitions=4).bands(42)
    'bands.T42.{3}'
    """

    partition: int = 0
    partitions: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.partition < self.partitions:
            raise ValueError(
                f"expected a partition in 0..{self.partitions - 1}, found {self.partition}; partitions are "
                "counted from 0 and their number is fixed for a deployment"
            )

    def _name(self, base: str) -> str:
        return base if self.partitions == 1 else f"{base}.{{{self.partition}}}"

    @property
    def bars(self) -> str:
        """Closed bars, written by feeds."""
        return self._name("bars.4h")

    @property
    def dead(self) -> str:
        """Rejected inputs."""
        return self._name("bars.dead")

    def bands(self, horizon_bars: int) -> str:
        """One record per accepted bar."""
        return self._name(f"bands.T{horizon_bars}")

    def outcomes(self, horizon_bars: int) -> str:
        """Bands whose target bar has closed."""
        return self._name(f"outcomes.T{horizon_bars}")

    def shadow(self, horizon_bars: int) -> str:
        """What the challenger would have said."""
        return self._name(f"shadow.T{horizon_bars}")

    @property
    def drift(self) -> str:
        """Drift findings."""
        return self._name("alerts.drift")

    @property
    def retrain(self) -> str:
        """Retrain requests."""
        return self._name("alerts.retrain")

    def latest(self, symbol: str) -> str:
        """Hash of the newest record per horizon (fields `T42` … `T60`), for those who poll."""
        return self._name(f"latest:{symbol}")

    @property
    def lease(self) -> str:
        """Who owns the partition: the owner's fencing token, with a time to live."""
        return self._name("worker.lease")

    @property
    def epoch(self) -> str:
        """Counter of leases ever taken; its value is the number in the fencing token."""
        return self._name("worker.epoch")

    @property
    def cursor(self) -> str:
        """Hash: `entry`, the last bars entry in effect, and `bundle`, the bundle in force since when."""
        return self._name("worker.cursor")

    @property
    def swaps(self) -> str:
        """Every bundle swap in order: which bundle applies to the entries after which one."""
        return self._name("worker.swaps")

    @property
    def state(self) -> str:
        """Hash of folded state, one field per symbol."""
        return self._name("worker.state")

    @property
    def consumer(self) -> str:
        """The one consumer name of the partition, whoever owns it: a successor inherits its pending list."""
        return f"partition-{self.partition}"

    @property
    def all_bands(self) -> tuple[str, ...]:
        """The four band streams, shortest horizon first."""
        return tuple(self.bands(horizon) for horizon in HORIZONS)
