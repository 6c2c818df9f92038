"""What is said above every view."""

from __future__ import annotations

from dataclasses import replace

from ops.dashboard.banner import Situation, banners
from ops.dashboard.probes import Probe

NOW = 1_704_067_200.0
WELL = Situation(NOW, None, NOW, False, int(NOW) - 3_600, False, 900.0, ())


def told(situation: Situation) -> list[tuple[str, str]]:
    return [(one.kind, one.words) for one in banners(situation)]


def test_nothing_is_said_while_all_is_well() -> None:
    ready = Probe("worker", "http://127.0.0.1:8100", NOW, True)
    assert told(replace(WELL, probes=(ready,))) == []


def test_a_server_that_is_down_comes_first() -> None:
    down = replace(WELL, server_problem="Connection refused", newest_close=int(NOW) - 90_000)
    (kind, words), (second, _) = told(down)
    assert (kind, second) == ("bad", "warn")
    assert "is down since 2024-01-01 00:00 UTC: Connection refused" in words
    assert "known before" in words


def test_a_worker_that_is_not_ready_says_why() -> None:
    late = Probe("worker", "http://127.0.0.1:8100", NOW, False, ("backlog: 2000 bars wait",))
    gone = Probe("worker 1", "http://127.0.0.1:8101", NOW, None, ("does not answer (ConnectError)",))
    found = told(replace(WELL, probes=(late, gone)))
    assert found[0] == ("bad", "The worker is not ready: backlog: 2000 bars wait.")
    assert found[1][1].startswith("The worker 1 at http://127.0.0.1:8101 does not answer")


def test_a_retrainer_that_nobody_started_is_no_alarm_but_a_sick_one_is_told() -> None:
    gone = Probe("retrainer", "http://127.0.0.1:8101", NOW, None, ("does not answer",))
    sick = replace(gone, ready=False, problems=("lease: not held",))
    assert told(replace(WELL, probes=(gone,))) == []
    assert told(replace(WELL, probes=(sick,))) == [("warn", "The retrainer is not ready: lease: not held.")]


def test_staleness_is_told_by_how_long_and_why() -> None:
    just = replace(WELL, newest_close=int(NOW - 4 * 3_600 - 800))
    late = replace(WELL, newest_close=int(NOW - 4 * 3_600 - 1_000))
    ended = replace(WELL, newest_close=int(NOW - 90 * 86_400))
    assert told(just) == []
    assert told(late)[0][1].startswith("Stale: the newest bar closed at 2023-12-31 19:43 UTC, 4.3 h ago")
    assert told(ended) == [
        ("warn", "The data ends at 2023-10-03 00:00 UTC, 90.0 days ago: no bar has come since.")
    ]
    assert told(replace(ended, replayed=True)) == [
        ("info", "Replayed data: it ends at 2023-10-03 00:00 UTC.")
    ]
    assert told(replace(WELL, newest_close=None)) == [("info", "No bar has arrived yet.")]
