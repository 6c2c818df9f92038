"""What a webhook is told of one entry: JSON for machines, and `text` for a person in a chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from contracts.events import DriftAlert, Release, RetrainRequest, RetrainStatus
from contracts.events.base import Event

SCHEMA = "notification/1"
Kind = Literal["drift", "retrain", "retrain_failed", "release", "unreadable"]
Source = Literal["drift", "retrain", "status", "release"]

TEXT_MAX = 2_000
"""Characters of `text`: below the limit of every chat that takes webhooks."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One entry as it is told; a repeated delivery has the same `key`, by which receivers drop it."""

    stream: str
    entry: str
    kind: Kind
    severity: Literal["info", "warning", "alarm"]
    text: str
    event: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The idempotency key: stream and entry id."""
        return f"{self.stream}/{self.entry}"

    def to_json(self) -> bytes:
        """The body of the request."""
        told = {
            "schema": SCHEMA,
            "id": self.key,
            "stream": self.stream,
            "entry": self.entry,
            "kind": self.kind,
            "severity": self.severity,
            "text": self.text,
            "event": self.event,
        }
        return json.dumps(told, ensure_ascii=False).encode()


def notification(source: Source, stream: str, entry: str, data: bytes) -> Notification | None:
    """What to tell of an entry, None where it is no news: of retrain.status only failures are.

    An entry that is no message of its stream is told as `unreadable`, so that it is not lost either.
    """
    model, tell = _TOLD[source]
    try:
        event: Any = model.from_wire(data)
    except ValidationError:
        shown = data[:500].decode("utf-8", "backslashreplace")
        text = f"Unreadable entry {entry} on {stream}: {shown}"
        return Notification(stream, entry, "unreadable", "warning", text, {"data": shown})
    told = tell(event)
    if told is None:
        return None
    kind, severity, text = told
    return Notification(
        stream, entry, kind, severity, text[:TEXT_MAX], event.model_dump(mode="json", exclude_none=True)
    )


_Told = tuple[Kind, Literal["info", "warning", "alarm"], str] | None


def _drift(alert: DriftAlert) -> _Told:
    about = f"{alert.symbol or 'all symbols'} {alert.channel}"
    if alert.horizon_bars:
        about += f" T{alert.horizon_bars}"
    return (
        "drift",
        alert.severity,
        f"Drift ({alert.severity}) {about}, bundle {alert.bundle}: {alert.evidence}",
    )


def _retrain(request: RetrainRequest) -> _Told:
    about = f" of {request.bundle}" if request.bundle else ""
    return "retrain", "info", f"Retraining{about} asked for by {request.requested_by}: {request.reason}"


def _status(status: RetrainStatus) -> _Told:
    if status.stage != "failed":
        return None
    return "retrain_failed", "warning", f"Retraining {status.id} failed: {status.detail}"


def _release(release: Release) -> _Told:
    what = f"{release.from_bundle or 'nothing'} → {release.to_bundle}"
    if release.share < 1:
        what += f" ({release.share:.0%} of symbols)"
    return "release", "info", f"{release.action.capitalize()} by {release.by}: {what}. {release.why}"


_TOLD: dict[Source, tuple[type[Event], Callable[[Any], _Told]]] = {
    "drift": (DriftAlert, _drift),
    "retrain": (RetrainRequest, _retrain),
    "status": (RetrainStatus, _status),
    "release": (Release, _release),
}
