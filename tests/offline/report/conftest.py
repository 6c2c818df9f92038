from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contracts.model.grid import BAR_SECONDS
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset
from offline.hpo import CellPool, SearchPlan, search
from offline.market import MarketSpec, simulate
from offline.report import Given
from offline.train import TrainSettings, train, write_trained
from offline.validate import CpcvSettings, WalkForwardSettings, validate

START = 1_577_836_800  # 2020-01-01
BARS = 1_900
FIRST_REFIT = START + 1_400 * BAR_SECONDS
QUICK = TrainSettings(rounds=4, learning_rate=0.1, folds=2, threads=1)


@dataclass(frozen=True)
class Inputs:
    """Real files: a walk-forward, a bundle of the same settings, a search of one horizon."""

    results: Path
    bundle: Path
    hpo: Path
    loose: Path
    """A folder for the JSON files that a test makes up."""

    def json(self, name: str, value: Any) -> Path:
        file = self.loose / name
        file.write_text(json.dumps(value))
        return file

    @property
    def given(self) -> Given:
        return Given(self.results, self.hpo, self.bundle)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("report")
    histories = list(simulate(MarketSpec(), ("AAA", "BBB"), BARS, START, seed=5).histories.values())
    validate(
        histories,
        folder / "wf",
        settings=WalkForwardSettings(window_days=None, step_days=30, start=FIRST_REFIT),
        train_settings=QUICK,
        leader=None,
        horizons=[42, 60],
        cpcv=CpcvSettings(groups=3, embargo_bars=30),
    )
    dataset = build_dataset(histories, FeatureSpec(leader=None))
    write_trained(folder / "bundle", train(dataset, QUICK), dataset, histories, QUICK, version="0.1.0-report")
    with CellPool(1) as pool:
        (best,) = search(dataset, histories, [42], SearchPlan(trials=3), folder / "hpo", pool)
    # A whole grid takes longer than all else here; only its file is read.
    grid = json.loads(best.read_text()) | {"method": "grid", "best_pinball": 0.031}
    (folder / "hpo" / "grid_params_T=42.json").write_text(json.dumps(grid))
    return Inputs(folder / "wf", folder / "bundle", folder / "hpo", folder)


@pytest.fixture
def inputs(made: Inputs, tmp_path: Path) -> Inputs:
    return Inputs(made.results, made.bundle, made.hpo, tmp_path)
