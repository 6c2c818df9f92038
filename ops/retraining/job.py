"""The real work of a retraining: the pipeline in a folder of the run's own, a challenger at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from contracts.errors import UnavailableError
from contracts.events import RetrainRequest
from offline.retrain import Report, Result, run_folder
from ops.pipeline import Record, Work, pipeline_lock, run_pipeline
from ops.release import Releases
from ops.release.connect import streams
from ops.retraining.bars import retraining_bars
from ops.retraining.champion import look_up_champion
from ops.retraining.plan import RetrainPlan, keep, kept, settle
from ops.retraining.stages import Telling
from ops.settings import Settings

CANDIDATE = "candidate"
"""Alias of what a retraining registered last; it goes into shadow as a release, which is on record. Without
a champion there is nobody to shadow, and the alias alone says what waits for a first promotion."""
BY = "retrainer"


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """A `Job`: bars, tuning from the champion's settings, validation, training, gates, challenger.

    `bars` are files or folders of bars to which the archive is added; none trains on the archive alone.
    """

    settings: Settings
    bars: tuple[Path, ...] = ()
    policy: Path | None = None
    leader: str | None = None

    def __call__(self, request: RetrainRequest, workspace: Path, report: Report) -> Result:
        """See `Job`. Each stage that has finished is not run again."""
        folder = run_folder(workspace, request.id)
        with pipeline_lock(folder):
            report("tuning", 0.0, "reading bars")
            plan = kept(folder) or self._settle(workspace, folder)
            alias = self.settings.registry.challenger_alias
            options = plan.options(folder, CANDIDATE if plan.replaces else alias, self.policy)
            work = Work(options, self.settings, Record(folder))
            telling = Telling(report)
            outcome = run_pipeline(work, telling.on_event, telling.bars)
            gates: dict[str, Any] = json.loads(work.gates.read_text())
            label = str(gates["bundle"]["label"])
            if not outcome.go:
                return Result(label, go=False, detail=no_go(gates))
            told: dict[str, Any] = json.loads((folder / "published.json").read_text())
            version = str(told["version"])
            if plan.replaces:
                alias = self._shadow(version, request.reason)
            detail = f"{label} is @{alias}: {gates['decision']['passed']} of 4 gates pass"
            return Result(label, go=True, detail=detail, version=version, alias=alias)

    def _shadow(self, version: str, why: str) -> str:
        """Put the version in shadow, unless a challenger serves symbols for real: that is a person's to end.

        Returns the alias it has. A server that does not answer is waited out, as a registry is.
        """
        try:
            with streams(self.settings) as client:
                releases = Releases(self.settings, client)
                now = releases.lineup().challenger
                if now is not None and now.version != version and now.share > 0:
                    return CANDIDATE
                releases.shadow(version, share=0.0, by=BY, why=why)
                return self.settings.registry.challenger_alias
        except RedisError as error:
            raise UnavailableError(f"expected the server of the releases, found: {error}") from error

    def _settle(self, workspace: Path, folder: Path) -> RetrainPlan:
        histories = retraining_bars(self.bars, workspace, self.settings.train.symbols)
        plan = settle(histories, look_up_champion(self.settings), self.settings, self.leader)
        keep(plan, histories, folder)
        return plan


def no_go(gates: dict[str, Any]) -> str:
    """Why a gates report says no: its reasons, and every check that does not pass."""
    failed = [
        f"{gate['name']}.{check['name']} {check['status']} ({check['detail']})"
        for gate in gates["gates"]
        for check in _failed(gate["checks"])
    ]
    return f"no-go: {'; '.join(gates['decision']['reasons'])}. Failed checks: {'; '.join(failed) or 'none'}"


def _failed(checks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [check for check in checks if check["status"] == "fail"]
