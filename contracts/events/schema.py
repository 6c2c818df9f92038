"""JSON Schema of every message, generated from the models."""

from __future__ import annotations

from typing import Any

from contracts.events.alert import DriftAlert
from contracts.events.band import Band
from contracts.events.bar import Bar
from contracts.events.base import Event
from contracts.events.dead import DeadLetter
from contracts.events.outcome import Outcome
from contracts.events.release import Release
from contracts.events.retrain import RetrainRequest, RetrainStatus

MESSAGES: tuple[type[Event], ...] = (
    Bar,
    Band,
    Outcome,
    DriftAlert,
    RetrainRequest,
    RetrainStatus,
    Release,
    DeadLetter,
)


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) of each message as it stands on the wire, by its `schema` value.

    >>> sorted(json_schemas())[:3]
    ['band/1', 'bar/1', 'dead/1']
    """
    schemas = {}
    for message in MESSAGES:
        version = str(message.model_fields["schema_"].default)
        schema = message.model_json_schema(by_alias=True, mode="validation")
        schemas[version] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:quant-bands:{version}",
            **schema,
        }
    return schemas
