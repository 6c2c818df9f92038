"""The retrainer on a real cluster: requests of every partition, each to one end, whatever dies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contracts.events import RetrainRequest, RetrainStatus
from contracts.topics import RETRAIN_GROUP, RETRAIN_STATUS, Topics
from tests.behaviour.harness import wait_until
from tests.behaviour.test_retrainer import NOW, ServedRetrainer, lines
from tests.cluster import ClusterServers

pytestmark = pytest.mark.slow

TOPICS = tuple(Topics(n, 2) for n in range(2))


def test_killed_in_mid_run_it_ends_every_partitions_requests_once(tmp_path: Path) -> None:
    with ClusterServers(tmp_path / "cluster") as cluster:
        client: Any = cluster.client()

        def ask(run_id: str, topics: Topics) -> None:
            request = RetrainRequest(id=run_id, at=NOW, requested_by="test", reason="drift", force=True)
            client.xadd(topics.retrain, {"data": request.to_wire()})

        def ended() -> Counter[str]:
            told = [RetrainStatus.from_wire(fields[b"data"]) for _, fields in client.xrange(RETRAIN_STATUS)]
            return Counter(status.id for status in told if status.is_final)

        ask("r0", TOPICS[0])
        ask("r1", TOPICS[1])
        with ServedRetrainer(
            cluster.url, tmp_path, step_s=0.03, cluster=True, partitions=2, lease_ttl_ms=3_000
        ) as retrainer:
            steps = tmp_path / "var" / "retrain" / "runs"
            for goal in (10, 55):
                wait_until(lambda goal=goal: len(list(steps.glob("*/*-*"))) >= goal, f"{goal} steps done")
                retrainer.kill()
                retrainer.start()
            wait_until(lambda: set(ended()) == {"r0", "r1"}, "both requests ended")
            ask("r1", TOPICS[0])
            wait_until(
                lambda: (
                    all(client.xpending(one.retrain, RETRAIN_GROUP)["pending"] == 0 for one in TOPICS)
                    and client.xinfo_groups(TOPICS[0].retrain)[0]["lag"] == 0
                ),
                "nothing pending, a request told twice included",
            )
            assert retrainer.stop() == 0
        assert ended() == Counter({"r0": 1, "r1": 1})
        assert sorted(lines(tmp_path / "var" / "registry")) == ["r0", "r1"]
