"""What the stages of one run share: the bars, the calendar, and where everything lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm as lgb

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, iso
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, build_dataset
from offline.gates import REPORT as GATES_REPORT
from offline.hpo import load_best_params
from offline.hpo.results import params_path
from offline.ingest import QualityReport, history_sha256
from offline.tracking import Registry
from offline.train import TrainPlan
from offline.train.write import METHOD as TRAIN_METHOD
from offline.validate import WalkForwardSettings
from ops.cli.bar_files import chosen_histories, read_histories
from ops.pipeline.options import PipelineOptions
from ops.pipeline.record import Record
from ops.planning import training_plan
from ops.settings import Settings
from ops.training import choose_leader

ROWLESS_BARS = 361 + max(HORIZONS)
"""Bars that give no labelled row: features need 361, the longest label its horizon."""


@dataclass
class Work:
    """One run in one folder. Bars are read when first asked for, once."""

    options: PipelineOptions
    settings: Settings
    record: Record

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""
        return self.record.folder

    @cached_property
    def histories(self) -> list[History]:
        """Every symbol asked for, cut to [since, until]."""
        asked = self.options
        return chosen_histories(
            list(asked.bars), asked.symbols, self.settings.train.symbols, asked.since, asked.until
        )

    @cached_property
    def quality(self) -> list[QualityReport]:
        """What the files of those symbols were found to be, whole."""
        chosen = {history.symbol for history in self.histories}
        return [told for history, told in read_histories(list(self.options.bars)) if history.symbol in chosen]

    @cached_property
    def leader(self) -> str | None:
        """The market's leader among the symbols."""
        return choose_leader([history.symbol for history in self.histories], self.options.leader)

    @cached_property
    def start(self) -> int:
        """First walk-forward refit, epoch seconds."""
        if self.options.start is not None:
            return self.options.start
        first = min(int(history.open_time[0]) for history in self.histories)
        middle = datetime.fromtimestamp((first + self.last_close) // 2, UTC)
        return int(datetime(middle.year, middle.month, 1, tzinfo=UTC).timestamp())

    @property
    def last_close(self) -> int:
        """When the newest bar closes, epoch seconds."""
        return max(int(history.open_time[-1]) for history in self.histories) + BAR_SECONDS

    @property
    def tune_until(self) -> int:
        """HPO and the choice of calibrators use bars that close by then."""
        return self.start if self.options.tune_until is None else self.options.tune_until

    @cached_property
    def tuning(self) -> list[History]:
        """The bars to tune on; without symbols too young to give a row by then.

        Raises `ValueError` when none is left.
        """
        cut = [history.between(None, self.tune_until) for history in self.histories]
        kept = [history for history in cut if len(history) > ROWLESS_BARS]
        if not kept:
            raise ValueError(
                f"expected a symbol with more than {ROWLESS_BARS} bars that close by "
                f"{iso(self.tune_until)} to tune on, found {max(map(len, cut))}; use more history or a later "
                "--start or --tune-until"
            )
        return kept

    @property
    def tuning_leader(self) -> str | None:
        """The leader, where it is old enough to tune with."""
        return self.leader if self.leader in {history.symbol for history in self.tuning} else None

    @cached_property
    def tuning_dataset(self) -> Dataset:
        """Training rows of the bars to tune on."""
        return build_dataset(
            self.tuning, FeatureSpec(leader=self.tuning_leader), max_gap_bars=self.settings.train.max_gap_bars
        )

    @property
    def tuned_plan(self) -> TrainPlan:
        """Settings as searched, or the defaults where nothing was; calibrators not chosen."""
        return training_plan(self.settings, self.searched)

    @property
    def plan(self) -> TrainPlan:
        """What is validated and shipped."""
        return training_plan(self.settings, self.searched, self.chosen)

    @property
    def contingency_plan(self) -> TrainPlan:
        """The grid search's settings under the same calibrators."""
        searched = {h: load_best_params(params_path(self.hpo, h, grid=True)) for h in HORIZONS}
        plain = training_plan(self.settings, calibration=self.chosen)
        return TrainPlan(plain.default, searched, plain.calibration)

    @property
    def walk_forward(self) -> WalkForwardSettings:
        """The calendar of the validation."""
        return WalkForwardSettings(self.options.window_days, self.options.step_days, self.start)

    @property
    def hpo(self) -> Path:
        """Folder of both searches: `best_params_T=42.json` …, `grid_params_T=42.json` …, the journal."""
        return self.folder / "hpo"

    @property
    def searched(self) -> Path | None:
        """That folder, where HPO is asked for."""
        return self.hpo if self.options.trials else None

    @property
    def calibration(self) -> Path:
        """The comparison of calibrators."""
        return self.folder / "calibration_optimal.json"

    @property
    def chosen(self) -> Path | None:
        """That file, where calibrators are to be compared."""
        return self.calibration if self.options.calibrate else None

    @property
    def validation(self) -> Path:
        """Folder of the validation."""
        return self.folder / "validation_wf"

    @property
    def contingency(self) -> Path:
        """Folder of the grid-searched model's validation."""
        return self.folder / "contingency_wf"

    @property
    def bundles(self) -> Path:
        """Folder of bundles."""
        return self.folder / "bundles"

    @property
    def bundle(self) -> Path:
        """The bundle that was trained; the stage `train` must have run."""
        manifest = next(path for path in self.record["train"].outputs if path.endswith("/manifest.json"))
        return (self.folder / manifest).parent

    @property
    def inference(self) -> Path:
        """The inference benchmark."""
        return self.folder / "inference.json"

    @property
    def gates(self) -> Path:
        """The gates' report."""
        return self.folder / GATES_REPORT

    @property
    def artifacts(self) -> Path | None:
        """Where the workspace's own registry keeps files; None for a server, which decides for itself."""
        return None if self.settings.registry.tracking_uri else self.settings.mlflow_path / "artifacts"

    @property
    def registry(self) -> Registry:
        """Where runs are logged."""
        return Registry(self.settings.registry_uri, self.artifacts)

    def go(self) -> bool:
        """Whether the gates say go; they must have run."""
        told: Mapping[str, Any] = json.loads(self.gates.read_text())
        return told["go"] is True

    def bars_told(self, histories: list[History] | None = None) -> dict[str, str]:
        """Hash of each symbol's bars: an input of most stages."""
        return {
            history.symbol: history_sha256(history)
            for history in (self.histories if histories is None else histories)
        }

    def training_told(self) -> dict[str, Any]:
        """The inputs of all that trains, but for bars and searched parameters."""
        own = self.settings.train
        return {
            "seed": own.seed,
            "folds": own.folds,
            "max_gap_bars": own.max_gap_bars,
            "method": f"{TRAIN_METHOD}; lightgbm {lgb.__version__}",
        }
