"""Studies: pruned between rungs only, seeded per trial, and resumed to the same result after a kill."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from contracts.errors import BadInputError
from offline.hpo import (
    CellGrid,
    CellPool,
    Score,
    SearchPlan,
    StoppedError,
    StudyProgress,
    TunedSettings,
    load_best_params,
    params_path,
    search,
)
from offline.hpo.cells import N_RUNGS
from offline.hpo.plan import EMBARGO_BARS
from offline.hpo.sampling import RungPruner, sampler_seed
from offline.hpo.space import START, grid_points
from offline.hpo.storage import open_storage
from tests.offline.hpo.tiny import TRIALS, market, run

PLAN = SearchPlan(trials=TRIALS)
pytestmark = pytest.mark.xdist_group("hpo")


def study_of(folder: Path) -> list[Any]:
    with open_storage(folder / "journal.log") as storage:
        (name,) = optuna.get_all_study_names(storage)
        return optuna.load_study(study_name=name, storage=storage).get_trials()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, PLAN)
    return folder


def test_trials_are_pruned_after_whole_rungs_only(whole: Path) -> None:
    trials = study_of(whole)
    pruned = [t for t in trials if t.state is TrialState.PRUNED]
    complete = [t for t in trials if t.state is TrialState.COMPLETE]
    assert len(pruned) + len(complete) == len(trials) == TRIALS
    assert pruned
    assert complete
    # min_resource 1 and reduction factor 3: decisions after rungs 1 and 3 of 5, never at another step.
    assert {t.last_step for t in pruned} <= {1, 3}
    assert all(list(t.intermediate_values) == list(range(1, N_RUNGS + 1)) for t in complete)


def test_the_first_trial_is_the_defaults_and_the_others_differ(whole: Path) -> None:
    trials = study_of(whole)
    assert trials[0].params == START
    assert len({json.dumps(t.params) for t in trials}) == TRIALS


def test_the_result_says_all_that_decides_it(whole: Path) -> None:
    told = json.loads(params_path(whole, 42).read_text())
    trials = study_of(whole)
    best = min((t for t in trials if t.state is TrialState.COMPLETE), key=lambda t: t.value)
    assert told["best_pinball_standardised"] == best.value
    assert {name: told["best_params"][name] for name in best.params} == best.params
    assert told["n_trials"] == TRIALS
    assert told["n_pruned"] == sum(t.state is TrialState.PRUNED for t in trials)
    assert told["share_pruned"] == told["n_pruned"] / TRIALS
    assert told["search_space"]["rounds"] == {"low": 1, "high": 600, "log": True}
    assert 0 < told["best_pinball"] < told["best_pinball_standardised"]
    assert told["baseline"]["ratio_of_best"] == pytest.approx(
        told["best_pinball_standardised"] / told["baseline"]["pinball_standardised"]
    )
    assert len(told["data"]["sha256"]) == 64


def test_killed_at_any_moment_and_resumed_is_the_same_search(whole: Path, tmp_path: Path) -> None:
    """kill -9 of a real process, twice, at moments drawn anew each time this test runs."""
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    n_records = (whole / "journal.log").read_bytes().count(b"\n")
    journal = tmp_path / "journal.log"
    for moment in sorted(chance.sample(range(8, n_records - 8), 2)):
        command = [sys.executable, "-m", "tests.offline.hpo.tiny", str(tmp_path), str(TRIALS)]
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 300
        while not journal.exists() or journal.read_bytes().count(b"\n") < moment:
            assert process.poll() is None or journal.read_bytes().count(b"\n") >= moment, f"seed {seed}"
            assert time.monotonic() < deadline, f"seed {seed}"
            time.sleep(0.002)
        process.kill()
        process.wait()
    run(tmp_path, PLAN)
    trials = study_of(tmp_path)
    assert sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials) == TRIALS, f"seed {seed}"
    assert not [t for t in trials if t.state is TrialState.RUNNING]
    told = params_path(tmp_path, 42).read_bytes()
    assert told == params_path(whole, 42).read_bytes(), f"seed {seed}"


def test_a_torn_record_and_a_trial_killed_after_a_rung_change_nothing(whole: Path, tmp_path: Path) -> None:
    """Every prefix of a journal is a state some kill leaves; here, cut inside the last trial but three."""
    records = (whole / "journal.log").read_bytes().splitlines(keepends=True)
    reports = [i for i, record in enumerate(records) if b'"intermediate_value"' in record]
    cut = reports[-4] + 1  # the report stands, what ASHA noted or the tell that followed does not
    (tmp_path / "journal.log").write_bytes(b"".join(records[: cut + 1]) + records[cut + 1][:17])
    run(tmp_path, PLAN)
    assert any(t.state is TrialState.FAIL for t in study_of(tmp_path))
    assert params_path(tmp_path, 42).read_bytes() == params_path(whole, 42).read_bytes()


def test_more_trials_go_on_and_fewer_are_the_first_ones(whole: Path, tmp_path: Path) -> None:
    run(tmp_path, SearchPlan(trials=3))
    three = params_path(tmp_path, 42).read_bytes()
    run(tmp_path, PLAN)
    assert params_path(tmp_path, 42).read_bytes() == params_path(whole, 42).read_bytes()
    run(tmp_path, SearchPlan(trials=3))
    assert params_path(tmp_path, 42).read_bytes() == three
    assert len(study_of(tmp_path)) == TRIALS


def test_a_journal_on_redis_is_the_same_search(tmp_path: Path, redis_url: str) -> None:
    dataset, histories = market()
    plan = SearchPlan(trials=2)
    written = []
    for folder, trials in (("a", 1), ("b", 2)):
        with CellPool(2) as pool:
            written = search(
                dataset,
                histories,
                (42,),
                SearchPlan(trials=trials),
                tmp_path / folder,
                pool,
                storage=redis_url,
            )
    assert not (tmp_path / "b" / "journal.log").exists()
    (alone,) = run(tmp_path / "file", plan)
    assert written[0].read_bytes() == alone.read_bytes()


def test_seeds_differ_by_trial_horizon_and_base() -> None:
    seeds = {sampler_seed(b, h, n) for b in (7, 8) for h in (42, 48) for n in range(200)}
    assert len(seeds) == 800


def test_failed_trials_do_not_compete() -> None:
    study = optuna.create_study(pruner=RungPruner(2))

    def verdict(value: float) -> bool:
        trial = study.ask()
        trial.report(value, 1)
        pruned = trial.should_prune()
        study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)
        return pruned

    assert not verdict(0.1)
    assert not verdict(0.5), "the better one failed and is forgotten"
    first = study.ask()
    first.report(0.1, 1)
    assert not first.should_prune()
    study.tell(first, 0.1)
    assert verdict(0.5)


def test_stopping_keeps_what_was_finished(whole: Path, tmp_path: Path) -> None:
    dataset, histories = market()
    with CellPool(2) as pool:

        def stop_after_three(progress: StudyProgress) -> None:
            if progress.finished == 3:
                pool.stop()

        with pytest.raises(StoppedError):
            search(dataset, histories, (42,), PLAN, tmp_path, pool, on_progress=stop_after_three)
    assert not params_path(tmp_path, 42).exists()
    run(tmp_path, PLAN)
    assert params_path(tmp_path, 42).read_bytes() == params_path(whole, 42).read_bytes()


def test_studies_side_by_side_equal_one_after_the_other(tmp_path: Path) -> None:
    plan = SearchPlan(trials=3)
    one = run(tmp_path / "one", plan, (42, 60), workers=2)
    two = run(tmp_path / "two", plan, (42, 60), workers=10)
    assert [f.read_bytes() for f in one] == [f.read_bytes() for f in two]


def test_the_grid_is_walked_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offline.hpo.space.GRID", {"rounds": (2, 9), "depth": (1, 2)})
    (file,) = run(tmp_path, SearchPlan(grid=True))
    assert file.name == "grid_params_T=42.json"
    told = json.loads(file.read_text())
    trials = study_of(tmp_path)
    assert [t.params for t in trials] == grid_points()
    assert told["n_trials"] == 4
    assert told["n_pruned"] == 0
    assert told["method"] == "grid"
    assert told["best_pinball_standardised"] == min(t.value for t in trials)


def test_a_proxy_search_ships_what_the_full_fit_scored(tmp_path: Path) -> None:
    (file,) = run(tmp_path, SearchPlan(trials=8, proxy=True, finalists=3))
    told = json.loads(file.read_text())
    assert told["method"] == "tpe-asha-proxy"
    full = [finalist["pinball_standardised"] for finalist in told["finalists"]]
    assert told["best_pinball_standardised"] == min(full)
    with CellPool(2) as pool:
        settings = load_best_params(file)
        assert isinstance(settings, TunedSettings)
        again = Score.best(CellGrid(market()[0], 42, embargo_bars=EMBARGO_BARS).all_rungs(settings, pool))
    assert again.pinball_standardised == min(full)


def test_results_of_another_search_are_not_written_over(whole: Path, tmp_path: Path) -> None:
    for name in ("journal.log", params_path(whole, 42).name):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(BadInputError, match="another --out, or overwrite with --replace"):
        run(tmp_path, SearchPlan(trials=1, embargo_bars=9))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    run(tmp_path, SearchPlan(trials=1, embargo_bars=9), replace=True)
    assert params_path(tmp_path, 42).read_bytes() != params_path(whole, 42).read_bytes()
    run(tmp_path, PLAN, replace=True)
    assert params_path(tmp_path, 42).read_bytes() == params_path(whole, 42).read_bytes(), "both are kept"
