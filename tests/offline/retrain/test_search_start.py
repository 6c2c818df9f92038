"""A search that starts from an earlier one's best."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from offline.hpo import SearchPlan
from offline.hpo.search import study_key
from offline.hpo.space import START, point_of
from offline.hpo.storage import open_storage
from tests.offline.hpo.tiny import run

BEST = point_of({**START, "rounds": 30, "depth": 2})


def test_the_best_of_before_is_tried_first_then_the_defaults(tmp_path: Path) -> None:
    run(tmp_path, SearchPlan(trials=3, folds=2, starts={42: BEST}))
    with open_storage(tmp_path / "journal.log") as storage:
        (name,) = optuna.get_all_study_names(storage)
        trials = optuna.load_study(study_name=name, storage=storage).get_trials()
    assert [trial.params for trial in trials[:2]] == [BEST, START]
    assert trials[2].params not in (BEST, START)


def test_another_start_is_another_study() -> None:
    plain, told = SearchPlan(), SearchPlan(starts={42: BEST})
    assert study_key({}, plain) != study_key({}, told)
    assert study_key({}, plain) == study_key({}, SearchPlan(starts={}))
    assert told.first_points(42) == [BEST, START]
    assert told.first_points(48) == plain.first_points(42) == [START]
    assert SearchPlan(starts={42: START}).first_points(42) == [START]


@pytest.mark.parametrize(("given", "nearest"), [(0.0, 1e-3), (5.0, 5.0), (1e9, 1e4)])
def test_settings_outside_the_space_start_at_its_edge(given: float, nearest: float) -> None:
    point = point_of({"lambda_l2": given, "rounds": 10, "weight": 0.5})
    assert (point["lambda_l2"], point["rounds"]) == (nearest, 10)
    assert set(point) == set(START)
