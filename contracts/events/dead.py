"""A rejected input on `bars.dead`, with the reason and the original bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from contracts.events.base import Event

DeadReason = Literal[
    "schema",
    "oversized",
    "invalid_bar",
    "not_closed",
    "wrong_partition",
    "conflict",
    "late",
    "trimmed",
    "failed",
]

KEPT_BYTES = 64 * 1024
"""Bytes of a rejected entry that are kept: enough for any bar ever meant; at most 88 KB as JSON."""


class DeadField(BaseModel):
    """One field of the rejected entry: `text` where the bytes are readable UTF-8, `base64` otherwise."""

    model_config = ConfigDict(frozen=True)

    name: str
    text: str | None = None
    base64: str | None = None


class DeadLetter(Event):
    """Why an entry was refused. `entry` is its id on the bars stream, `size_bytes` its full size.

    At most 64 KiB of its fields are kept; `sha256` covers all of them, names and values in order.
    """

    schema_: Literal["dead/1"] = Field(default="dead/1", alias="schema")
    reason: DeadReason
    detail: str
    entry: str
    fields: tuple[DeadField, ...] = ()
    size_bytes: int = 0
    sha256: str = ""
    truncated: bool = False

    @classmethod
    def of(cls, reason: DeadReason, detail: str, entry: str, fields: Mapping[bytes, bytes] | None) -> Self:
        """Wrap a raw stream entry; `fields` is None when its payload is gone."""
        digest, room, size, kept = hashlib.sha256(), KEPT_BYTES, 0, []
        for name, value in (fields or {}).items():
            digest.update(name)
            digest.update(value)
            size += len(name) + len(value)
            if room > 0:
                kept.append(_field(name[:room], value[: max(0, room - len(name))]))
            room -= len(name) + len(value)
        return cls(
            reason=reason,
            detail=detail[:2_000],
            entry=entry,
            fields=tuple(kept),
            size_bytes=size,
            sha256=digest.hexdigest() if fields else "",
            truncated=room < 0,
        )


def _field(name: bytes, value: bytes) -> DeadField:
    shown = name.decode("utf-8", "backslashreplace")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    # Control characters grow sixfold as JSON escapes; base64 never grows beyond a third.
    if text is not None and len(json.dumps(text, ensure_ascii=False).encode()) <= 2 + len(value) * 4 / 3:
        return DeadField(name=shown, text=text)
    return DeadField(name=shown, base64=base64.b64encode(value).decode())
