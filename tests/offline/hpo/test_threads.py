"""How many fits run at once: by plan, and fewer when the machine is hot."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from offline.hpo import CellPool, ThermalGuard, plan_workers
from offline.hpo import threads as plan
from offline.hpo.thermal import linux_throttles, pmset_throttles


def test_apple_silicon_counts_performance_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"hw.perflevel0.physicalcpu": 10, "hw.physicalcpu": 14}
    monkeypatch.setattr(plan, "sysctl", told.get)
    assert plan.fast_cores("darwin") == 10
    del told["hw.perflevel0.physicalcpu"]
    assert plan.fast_cores("darwin") == 14


def test_linux_counts_physical_cores(tmp_path: Path) -> None:
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    assert plan.physical_cores(tmp_path, set(range(8))) == 4
    assert plan.physical_cores(tmp_path, {0, 4}) == 1
    assert plan.physical_cores(tmp_path / "nowhere", {0, 1, 2}) == 3
    assert plan.fast_cores() >= 1


@pytest.mark.parametrize("asked", ["0", "-1", "many", "", 0])
def test_a_plan_that_is_no_number_is_refused(asked: str | int) -> None:
    with pytest.raises(ValueError, match="published"):
        plan_workers(asked)


def test_the_guard_steps_down_while_it_is_hot() -> None:
    now, hot, told = [0.0], [False], []
    guard = ThermalGuard(
        20, probe=lambda: hot[0], every_s=30, clock=lambda: now[0], told=lambda workers: told.append(workers)
    )
    assert not guard.look()
    hot[0] = True
    assert not guard.look(), "not again within half a minute"
    for _ in range(12):
        now[0] += 30
        guard.look()
    assert told[:3] == [16, 13, 11]
    assert guard.workers == 1
    hot[0] = False
    now[0] += 30
    assert not guard.look()
    assert ThermalGuard(8, probe=lambda: True).look()


def test_a_hot_pool_runs_fewer_jobs_at_once() -> None:
    running, most, lock = [0], [0], threading.Lock()

    def job() -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return 1

    with CellPool(5, ThermalGuard(5, probe=lambda: True, every_s=1e9)) as pool:
        assert sum(pool.run([job] * 40)) == 40
    assert most[0] == 4


def test_linux_zones_throttle_at_their_passive_trip(tmp_path: Path) -> None:
    assert not linux_throttles(tmp_path)
    zone = tmp_path / "thermal_zone0"
    zone.mkdir()
    for name, text in {
        "temp": "84000",
        "trip_point_0_type": "critical",
        "trip_point_0_temp": "70000",
        "trip_point_1_type": "passive",
        "trip_point_1_temp": "85000",
    }.items():
        (zone / name).write_text(f"{text}\n")
    assert not linux_throttles(tmp_path)
    (zone / "temp").write_text("85000\n")
    assert linux_throttles(tmp_path)
    (zone / "temp").write_text("")
    assert not linux_throttles(tmp_path), "a sensor without an answer says nothing"


def test_pmset_answers() -> None:
    cool = "Note: No thermal warning level has been recorded\nNote: No CPU power status has been recorded\n"
    assert not pmset_throttles(cool)
    assert not pmset_throttles("CPU_Speed_Limit \t= 100\nCPU_Available_CPUs = 8")
    assert pmset_throttles("CPU_Scheduler_Limit \t= 80")
    assert pmset_throttles("Thermal warning level set to 2")
