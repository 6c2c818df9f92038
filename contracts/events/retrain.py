"""A request to retrain, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from contracts.events.base import Event, UtcTime


class RetrainRequest(Event):
    """On `alerts.retrain`, from a worker, the scheduler or a person. `id` names the run it starts."""

    schema_: Literal["retrain/1"] = Field(default="retrain/1", alias="schema")
    id: str = Field(min_length=1, max_length=64)
    at: UtcTime
    requested_by: str
    reason: str
    bundle: str | None = None


class RetrainStatus(Event):
    """On `retrain.status`: progress and result of one run."""

    schema_: Literal["retrain_status/1"] = Field(default="retrain_status/1", alias="schema")
    id: str
    at: UtcTime
    stage: Literal["accepted", "skipped", "tuning", "training", "validating", "gates", "registered", "failed"]
    progress: float = Field(default=0.0, ge=0, le=1)
    detail: str = ""
    bundle: str | None = None
