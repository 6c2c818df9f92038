"""The retrainer's promises on a real server: one run at a time, each to one end, whatever dies."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis

from contracts.events import RetrainRequest, RetrainStatus
from contracts.topics import RETRAIN_GROUP, RETRAIN_LEASE, RETRAIN_SCHEDULED, RETRAIN_STATUS, Topics
from tests.behaviour.harness import PATIENCE_S, ServedWorker, wait_until
from tests.servers import ServerProcess

REQUESTS = Topics().retrain
NOW = datetime(2026, 11, 21, tzinfo=UTC)
QUICKLY_S = 120.0
WORK = ("accepted", "tuning", "validating", "training", "gates")


class ServedRetrainer(ServedWorker):
    """`tests.behaviour.fake_retrainer` with a short lock; `config` is the retrainer's own."""

    def __init__(
        self, url: str, folder: Path, step_s: float = 0.005, kill_at: Sequence[int] = (), **config: Any
    ) -> None:
        super().__init__(url, folder, None, FAKE_STEP_S=str(step_s), FAKE_KILL_AT=json.dumps(kill_at))
        told = json.dumps({"http_port": self.port, **config})
        self._command = [sys.executable, "-m", "tests.behaviour.fake_retrainer", told]


def ask(client: Any, run_id: str, reason: str = "drift", **more: Any) -> None:
    request = RetrainRequest(id=run_id, at=NOW, requested_by="test", reason=reason, **more)
    client.xadd(REQUESTS, {"data": request.to_wire()})


def statuses(client: Any, run_id: str | None = None) -> list[RetrainStatus]:
    told = [RetrainStatus.from_wire(fields[b"data"]) for _, fields in client.xrange(RETRAIN_STATUS)]
    return [status for status in told if run_id in (None, status.id)]


def final(client: Any, run_id: str) -> RetrainStatus:
    wait_until(lambda: any(s.is_final for s in statuses(client, run_id)), f"the end of {run_id}")
    return next(status for status in statuses(client, run_id) if status.is_final)


def settled(client: Any, *run_ids: str) -> None:
    """Every request has exactly one final status, its progress only grew, and nothing is pending."""
    wait_until(lambda: client.xpending(REQUESTS, RETRAIN_GROUP)["pending"] == 0, "nothing pending")
    ends = Counter(status.id for status in statuses(client) if status.is_final)
    assert ends == Counter(run_ids)
    for run_id in run_ids:
        told = statuses(client, run_id)
        assert told[-1].is_final
        going = [(status.progress, WORK.index(status.stage)) for status in told[:-1]]
        assert going == sorted(set(going)), "progress is told once and forwards"
        if told[-1].stage == "registered":
            assert {stage for _, stage in going} == set(range(len(WORK))), "every stage is told"


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_killed_in_mid_run_it_resumes_to_one_result_and_one_final_status(
    redis_url: str, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(redis_url)
    ask(client, "r1")
    ask(client, "r2", force=True)
    kills, retrainer = 3, ServedRetrainer(redis_url, tmp_path, 0.03, kill_at=(8, 25, 48))
    with retrainer:
        for _ in range(kills):
            assert retrainer.wait(PATIENCE_S) == -signal.SIGKILL
            retrainer.start()
        assert final(client, "r2").stage == "registered"
        settled(client, "r1", "r2")
        assert retrainer.stop() == 0
    assert lines(tmp_path / "var" / "registry") == ["r1", "r2"]
    started = [line.split()[0] for line in lines(tmp_path / "var" / "starts")]
    assert started == sorted(started), "the run in progress is resumed before another begins"
    assert Counter(started)["r1"] + Counter(started)["r2"] == kills + 2
    told = statuses(client, "r1")
    assert [told[0].stage, told[-1].bundle, told[-1].alias] == ["accepted", "made-r1", "challenger"]
    assert (told[-1].progress, told[-1].registry_version) == (1.0, "7")


def test_of_two_retrainers_one_runs_and_the_other_takes_over(embedded_url: str, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    first = ServedRetrainer(embedded_url, tmp_path, step_s=0.2, lease_ttl_ms=10_000)
    second = ServedRetrainer(embedded_url, tmp_path, lease_ttl_ms=10_000)
    with first:
        first.wait_ready()
        with second:
            second.wait_problem("lease: held by ")
            ask(client, "r1")
            wait_until(lambda: statuses(client, "r1"), "r1 accepted")
            ask(client, "r2", force=True)
            wait_until(lambda: lines(tmp_path / "var" / "starts"), "r1 started")
            first.kill()
            assert final(client, "r2").stage == "registered"
            settled(client, "r1", "r2")
            second.wait_ready()
            assert second.stop() == 0
    assert client.get(RETRAIN_LEASE) is None, "a clean stop gives the lock back"
    starts = [line.split() for line in lines(tmp_path / "var" / "starts")]
    assert [run_id for run_id, _ in starts] == ["r1", "r1", "r2"]
    assert starts[0][1] != starts[1][1]
    assert lines(tmp_path / "var" / "registry") == ["r1", "r2"]


def test_every_request_gets_its_answer(redis_url: str, tmp_path: Path) -> None:
    """Cooldown, former champions, doubles, bad bytes, failures: each is answered, the next is served."""
    client: Any = Redis.from_url(redis_url)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "champion").write_text("c1")
    client.xadd(REQUESTS, {"data": b"\xff{"})
    (bad,) = [entry.decode() for entry, _ in client.xrange(REQUESTS)]
    ask(client, "r1", bundle="c1")
    ask(client, "r2", bundle="c1")
    ask(client, "r3", bundle="c0")
    ask(client, "r1", bundle="c1")
    client.xadd(REQUESTS, {"id": "r4", "at": "2026-11-21T00:00:00Z", "requested_by": "cli", "reason": "flat"})
    ask(client, "r5", "no-go", force=True)
    ask(client, "r6", "raise", force=True)
    ask(client, "../r7", "registry away", force=True)
    with ServedRetrainer(redis_url, tmp_path) as retrainer:
        ends = {name: final(client, name) for name in (bad, "r1", "r2", "r3", "r4", "r5", "r6", "../r7")}
        settled(client, *ends)
        retrainer.wait_ready()
        _, metrics = retrainer.get("/metrics")
        assert b'bands_retrain_runs_total{stage="registered"} 2.0' in metrics
        assert retrainer.stop() == 0
    assert {name: end.stage for name, end in ends.items()} == {
        bad: "failed", "r1": "registered", "r2": "skipped", "r3": "skipped", "r4": "skipped",
        "r5": "failed", "r6": "failed", "../r7": "registered",
    }  # fmt: skip
    assert "expected a retrain request" in ends[bad].detail
    assert "c1 had run r1 accepted at" in ends["r2"].detail
    assert "within the cooldown of 7 days" in ends["r2"].detail
    assert ends["r3"].detail == "c0 is champion no more, c1 is"
    assert ends["r4"].replaces == "c1", "no bundle named means the champion"
    assert "out_of_sample.coverage_90" in ends["r5"].detail
    assert ends["r5"].alias is None
    assert ends["r6"].detail == "OSError: no space left on device"
    assert lines(tmp_path / "var" / "registry") == ["r1", "../r7"]
    assert not (tmp_path / "var" / "retrain" / "r7").exists(), "an id is never a path"


def test_a_run_that_kills_its_process_ends_as_failed(embedded_url: str, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    ask(client, "r1", "die")
    ask(client, "r2", force=True)
    with ServedRetrainer(embedded_url, tmp_path, max_starts=2) as retrainer:
        for _ in range(2):
            assert retrainer.wait(QUICKLY_S) == -9
            retrainer.start()
        assert "started 3 times without moving" in final(client, "r1").detail
        assert final(client, "r2").stage == "registered"
        settled(client, "r1", "r2")


def test_told_to_stop_it_ends_at_the_next_report_and_goes_on_later(embedded_url: str, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    ask(client, "r1")
    with ServedRetrainer(embedded_url, tmp_path, step_s=0.1) as retrainer:
        wait_until(lambda: [s for s in statuses(client, "r1") if s.stage == "tuning"], "a run in progress")
        assert retrainer.stop() == 0
    assert client.xpending(REQUESTS, RETRAIN_GROUP)["pending"] == 1
    assert not any(status.is_final for status in statuses(client))
    assert client.get(RETRAIN_LEASE) is None
    with ServedRetrainer(embedded_url, tmp_path):
        assert final(client, "r1").stage == "registered"
        settled(client, "r1")


def test_a_server_that_dies_in_mid_run_is_waited_out(crash_server: ServerProcess, tmp_path: Path) -> None:
    client: Any = crash_server.client()
    with ServedRetrainer(crash_server.url, tmp_path, step_s=0.03) as retrainer:
        retrainer.wait_ready()
        ask(client, "r1")
        wait_until(lambda: statuses(client, "r1"), "r1 accepted")
        crash_server.kill9()
        retrainer.wait_problem("reader: ")
        assert retrainer.get("/health")[0] == 200
        crash_server.start()
        assert final(client, "r1").stage == "registered"
        settled(client, "r1")
        retrainer.wait_ready()
        assert retrainer.stop() == 0
    assert lines(tmp_path / "var" / "registry") == ["r1"]
    assert len(lines(retrainer.log)) < 80, "expected calm logs"


def test_a_lost_group_and_a_stolen_lock_end_the_process(embedded_url: str, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    with ServedRetrainer(embedded_url, tmp_path, step_s=0.1) as retrainer:
        retrainer.wait_ready()
        client.flushall()
        assert retrainer.wait(QUICKLY_S) == 70
        retrainer.start()
        retrainer.wait_ready()
        ask(client, "r1")
        wait_until(lambda: statuses(client, "r1"), "r1 accepted")
        client.set(RETRAIN_LEASE, "99:thief")
        told = len(statuses(client))
        assert retrainer.wait(QUICKLY_S) == 75
    assert len(statuses(client)) - told <= 1, "one that was on its way; none by a fenced retrainer"
    assert client.xpending(REQUESTS, RETRAIN_GROUP)["pending"] == 1
    assert client.get(RETRAIN_LEASE) == b"99:thief"
    assert not (tmp_path / "var" / "registry").exists()


def test_the_month_is_asked_for_once(embedded_url: str, tmp_path: Path) -> None:
    client: Any = Redis.from_url(embedded_url)
    client.set(RETRAIN_SCHEDULED, "2020-01")
    for _ in range(2):
        with ServedRetrainer(embedded_url, tmp_path, schedule_day=1) as retrainer:
            wait_until(lambda: any(s.is_final for s in statuses(client)), "the scheduled run ended")
            retrainer.wait_ready()
            assert retrainer.stop() == 0
    (request,) = [RetrainRequest.from_wire(fields[b"data"]) for _, fields in client.xrange(REQUESTS)]
    seconds, _ = client.time()
    assert request.id == f"scheduled-{datetime.fromtimestamp(seconds, UTC):%Y-%m}"
    assert request.requested_by == "schedule"
    settled(client, request.id)


def test_a_key_of_another_type_is_waited_out_with_nothing_half_written(
    embedded_url: str, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(embedded_url)
    client.set(RETRAIN_STATUS, "not a stream")
    ask(client, "r1")
    with ServedRetrainer(embedded_url, tmp_path) as retrainer:
        retrainer.wait_problem("WRONGTYPE expected stream at retrain.status")
        assert client.xpending(REQUESTS, RETRAIN_GROUP)["pending"] == 1
        client.delete(RETRAIN_STATUS)
        assert final(client, "r1").stage == "registered"
        settled(client, "r1")
