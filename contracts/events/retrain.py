"""A request to retrain, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.events.base import Event, UtcTime


class RetrainRequest(Event):
    """On `alerts.retrain`, from a worker, the scheduler or a person. `id` names the run it starts.

    `bundle` is the label of the bundle to be replaced, None for whichever is champion. `force` asks for a
    run within the cooldown too, and of a bundle that is champion no more.
    """

    schema_: Literal["retrain/1"] = Field(default="retrain/1", alias="schema")
    id: str = Field(min_length=1, max_length=64)
    at: UtcTime
    requested_by: str
    reason: str
    bundle: str | None = None
    force: bool | None = None


class RetrainStatus(Event):
    """On `retrain.status`: progress and result of one run.

    Exactly one of `skipped`, `registered` and `failed` ends a run. Every stage a run reaches is told, once it
    begins, in order; progress does not fall until the end. `bundle` is the label of what was made,
    `replaces` of the champion it was made for; `registry_version` and `alias` say where it stands.
    """

    schema_: Literal["retrain_status/1"] = Field(default="retrain_status/1", alias="schema")
    id: str
    at: UtcTime
    stage: Literal["accepted", "skipped", "tuning", "training", "validating", "gates", "registered", "failed"]
    progress: float = Field(default=0.0, ge=0, le=1)
    detail: str = ""
    bundle: str | None = None
    replaces: str | None = None
    registry_version: str | None = None
    alias: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will be said of this run."""
        return self.stage in ("skipped", "registered", "failed")
