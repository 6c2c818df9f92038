"""Looks at a cluster that has no use for the node they happen to ask first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.connect import connect, connect_sync
from contracts.topics import Topics
from offline.retrain.archive import archive_bars
from ops.dashboard.facts import look
from tests.cluster import ClusterServers

PARTITIONS = 2
TOPICS = tuple(Topics(n, PARTITIONS) for n in range(PARTITIONS))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterServers]:
    with ClusterServers(tmp_path / "cluster") as started:
        yield started


async def test_bars_are_archived_by_a_client_that_has_asked_nothing_yet(
    cluster: ClusterServers, tmp_path: Path
) -> None:
    async with connect(cluster.url, cluster=True, protocol=2) as redis:
        assert await archive_bars(redis, TOPICS, tmp_path) == 0


def test_a_dead_node_that_holds_no_partition_does_not_hide_the_others(cluster: ClusterServers) -> None:
    with connect_sync(cluster.url, cluster=True, socket_timeout=30) as redis:
        before = look(redis, PARTITIONS).about
        used = {cluster.node_of(one.bars).port for one in TOPICS}
        next(node for node in cluster.nodes if node.port not in used).kill()
        after = look(redis, PARTITIONS).about
    assert (before or {})["nodes"] == 3
    assert (after or {})["nodes"] == 2
