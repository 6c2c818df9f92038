"""What a search leaves behind and what it refuses to touch; plans; what the registry is told."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution

from contracts.errors import BadInputError
from offline.hpo import SearchPlan, StudyOutcome, params_path, tracked
from offline.hpo.space import SHRINKS, SPACE, START, WEIGHTS
from offline.hpo.storage import open_storage
from tests.offline.hpo.tiny import run

PLAN = SearchPlan(trials=2)
pytestmark = pytest.mark.xdist_group("hpo")


def n_trials(folder: Path) -> int:
    with open_storage(folder / "journal.log") as storage:
        (name,) = optuna.get_all_study_names(storage)
        return len(optuna.load_study(study_name=name, storage=storage).trials)


def test_what_is_no_result_is_not_written_over_either(tmp_path: Path) -> None:
    file = params_path(tmp_path, 42)
    file.write_text("mine")
    with pytest.raises(BadInputError, match="found none"):
        run(tmp_path, PLAN)
    assert file.read_text() == "mine"


def test_a_full_disk_at_the_end_loses_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, told: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("offline.hpo.results.write_json", full)
        with pytest.raises(OSError, match="space"):
            run(tmp_path, PLAN)
    assert not params_path(tmp_path, 42).exists()
    assert n_trials(tmp_path) == 2
    run(tmp_path, PLAN)
    assert n_trials(tmp_path) == 2, "not one fit again"
    assert json.loads(params_path(tmp_path, 42).read_text())["n_trials"] == 2


@pytest.mark.parametrize("folds", [2, 7])
def test_as_many_folds_as_asked_for(tmp_path: Path, folds: int) -> None:
    (file,) = run(tmp_path, SearchPlan(trials=1, folds=folds, embargo_bars=12))
    told = json.loads(file.read_text())["cells"]
    assert (told["folds"], told["embargo_bars"]) == (folds, 12)
    assert sum(map(len, told["rungs"])) == 5 * folds


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"embargo_bars": -1}, {"trials": 0}])
def test_a_plan_that_can_not_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected at least"):
        SearchPlan(**wrong)  # type: ignore[arg-type]


def test_an_embargo_that_leaves_nothing_to_train_on_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="fewer folds, or a shorter horizon or embargo"):
        run(tmp_path, SearchPlan(embargo_bars=2_000))


def test_the_space_reaches_down_to_nearly_no_trees() -> None:
    rounds = SPACE["rounds"]
    assert isinstance(rounds, IntDistribution)
    assert rounds.low == 1
    assert 0.0 in WEIGHTS, "the empirical quantiles alone"
    assert 1.0 in SHRINKS, "a median of zero"


def test_a_study_is_told_to_the_registry_under_its_published_names(tmp_path: Path) -> None:
    outcomes: list[StudyOutcome] = []
    plan = SearchPlan(trials=4)
    (file,) = run(tmp_path, plan, on_outcome=outcomes.append)
    told = json.loads(file.read_text())
    study = tracked(outcomes[0], plan)
    assert study.name == told["data"]["study"]
    assert {n: study.params[f"best_{n}"] for n in told["best_params"]} == told["best_params"]
    assert study.metrics["best_pinball_loss"] == told["best_pinball"]
    assert (study.metrics["n_trials"], study.metrics["n_pruned"]) == (4, told["n_pruned"])
    assert [step.number for step in study.steps] == [0, 1, 2, 3]
    assert sum(step.metrics["trial_pruned"] for step in study.steps) == told["n_pruned"]
    assert study.steps[0].metrics["trial_rounds"] == START["rounds"]
