"""One study on Redis, several runs: exact, whoever dies, and told when the server's records are damaged."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.errors import BadInputError
from offline.hpo import SearchPlan, params_path
from offline.hpo.claims import LostError, bury, claim, finished, free_slot, slot_of, tell
from offline.hpo.crew import Alone, RedisCrew
from offline.hpo.sampling import FixedPoint
from offline.hpo.space import START
from offline.hpo.storage import REDIS_PREFIX, crew_at, open_storage
from tests.behaviour.harness import wait_until
from tests.offline.hpo.tiny import run

TRIALS = 6
pytestmark = pytest.mark.xdist_group("hpo")


def start(url: str, *folders: Path) -> list[subprocess.Popen[bytes]]:
    """One run for each folder; all begin together, once the last of them is ready."""
    words = [sys.executable, "-m", "tests.offline.hpo.tiny"]
    runs = [
        subprocess.Popen(
            [*words, str(folder), str(TRIALS), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for folder in folders
    ]
    for process in runs:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in runs:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    return runs


def study_at(url: str) -> optuna.Study:
    with open_storage(url) as storage:
        (name,) = optuna.get_all_study_names(storage)
        return optuna.load_study(study_name=name, storage=storage)


def await_trials(url: str, n_trials: int) -> None:
    """Until the journal has recorded the birth of so many trials."""
    client, deadline = Redis.from_url(url), time.monotonic() + 60
    while True:
        keys = list(client.scan_iter(f"{REDIS_PREFIX}:log:*"))
        if sum(b'"slot"' in text for text in client.mget(keys) if text) >= n_trials:
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_processes_finish_exactly_the_trials_asked_for(tmp_path: Path, embedded_url: str) -> None:
    both = start(embedded_url, tmp_path / "a", tmp_path / "b")
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    study = study_at(embedded_url)
    done = finished(study)
    assert [slot_of(trial) for trial in done] == list(range(TRIALS))
    assert not study.get_trials(states=(TrialState.RUNNING,))
    one, two = (params_path(tmp_path / name, 42).read_bytes() for name in ("a", "b"))
    assert one == two


def test_the_slot_of_a_killed_run_is_taken_over(tmp_path: Path, embedded_url: str) -> None:
    (first,) = start(embedded_url, tmp_path / "a")
    await_trials(embedded_url, 2)
    first.kill()
    first.wait()
    run(tmp_path / "b", SearchPlan(trials=TRIALS), storage=embedded_url)
    run(tmp_path / "whole", SearchPlan(trials=TRIALS))
    assert len(finished(study_at(embedded_url))) == TRIALS
    taken, whole = (params_path(tmp_path / name, 42).read_bytes() for name in ("b", "whole"))
    assert taken == whole, "one run after the other is the same search as one alone"


def test_of_two_claims_on_one_slot_the_first_stands(tmp_path: Path) -> None:
    with open_storage(tmp_path / "journal.log") as storage:
        study = optuna.create_study(storage=storage, study_name="s", sampler=FixedPoint(START))
        early, late = Alone(), Alone()
        first = claim(study, storage, 0, early)
        assert first is not None
        assert claim(study, storage, 0, late) is None
        assert free_slot(study, 1) is None
        bury(study, late)  # takes the other for dead
        assert free_slot(study, 1) == 0
        second = claim(study, storage, 0, late)
        assert second is not None
        with pytest.raises(LostError):
            tell(study, first, 1.0)
        tell(study, second, 2.0)
        assert [trial.value for trial in finished(study)] == [2.0]


def test_a_run_elsewhere_lives_as_long_as_its_key(embedded_url: str) -> None:
    with crew_at(embedded_url) as crew:
        other = RedisCrew(embedded_url, REDIS_PREFIX, dead_after_s=60.0)
        other.me = "another-host/1/abc"
        assert crew.alive(crew.me)
        assert not crew.alive(other.me)
        other.beat()
        assert crew.alive(other.me)
        Redis.from_url(embedded_url).pexpire(f"{REDIS_PREFIX}:alive:{other.me}", 1)
        wait_until(lambda: not crew.alive(other.me), "its key has run out")
        gone = f"{socket.gethostname()}/{2**22 + 1}/abc"  # above any process id of Linux and macOS
        Redis.from_url(embedded_url).set(f"{REDIS_PREFIX}:alive:{gone}", 1)
        assert not crew.alive(gone), "a process of this host that is gone need not expire"
    with crew_at(embedded_url) as later:
        assert not later.alive(crew.me)


@pytest.mark.parametrize("damage", [None, b"", b"\xff\xfe", b'"text"', b"[1, 2]"])
def test_a_damaged_journal_on_redis_is_told(embedded_url: str, damage: bytes | None) -> None:
    client = Redis.from_url(embedded_url)
    with open_storage(embedded_url) as storage:
        study = optuna.create_study(storage=storage, study_name="s")
        study.tell(study.ask(), 1.0)
    key = f"{REDIS_PREFIX}:log:1"
    if damage is None:
        client.delete(key)
    else:
        client.set(key, damage)
    before = {name: client.get(name) for name in client.scan_iter()}
    with pytest.raises(BadInputError, match="delete the keys bands:hpo") as told, open_storage(embedded_url):
        pass
    assert key in str(told.value)
    assert {name: client.get(name) for name in client.scan_iter()} == before


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(RedisConnectionError):
        run(tmp_path, SearchPlan(trials=1), storage="redis://127.0.0.1:9")
    assert not list(tmp_path.iterdir())
