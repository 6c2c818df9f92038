"""The messages of the streams: frozen, versioned, the single definition of each."""

from contracts.events.alert import DriftAlert
from contracts.events.band import Band, Calibration, NoBandReason, Quantiles
from contracts.events.bar import Bar, Origin
from contracts.events.base import Event, Symbol, UtcTime
from contracts.events.dead import DeadLetter, DeadReason
from contracts.events.outcome import Outcome, ShadowScore
from contracts.events.release import Release
from contracts.events.retrain import RetrainRequest, RetrainStatus
from contracts.events.schema import json_schemas

__all__ = [
    "Band",
    "Bar",
    "Calibration",
    "DeadLetter",
    "DeadReason",
    "DriftAlert",
    "Event",
    "NoBandReason",
    "Origin",
    "Outcome",
    "Quantiles",
    "Release",
    "RetrainRequest",
    "RetrainStatus",
    "ShadowScore",
    "Symbol",
    "UtcTime",
    "json_schemas",
]
