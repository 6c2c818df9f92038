"""What a dead letter was about, as far as its bytes tell."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

from contracts.events import Bar, DeadLetter
from ops.audit.served import Bar as Name
from worker.arrival import read_entry


def about(letter: DeadLetter) -> Name | None:
    """The symbol and opening time (epoch seconds) of the bar that was refused, or None where none is told."""
    fields = {
        one.name.encode(): base64.b64decode(one.base64)
        if one.base64 is not None
        else (one.text or "").encode()
        for one in letter.fields
    }
    content = read_entry("0-0", fields, math.inf).content
    if isinstance(content, Bar):
        return content.symbol, content.candle.open_time
    try:
        told: Any = json.loads(fields[b"data"]) if b"data" in fields else None
    except ValueError:
        return None
    if told is None:
        told = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in fields.items()
        }
    if not isinstance(told, dict):
        return None
    symbol, opened = told.get("symbol"), _moment(told.get("open_time"))
    return (symbol, opened) if isinstance(symbol, str) and opened is not None else None


def _moment(value: object) -> int | None:
    try:
        if isinstance(value, int | float):
            return int(value)
        text = str(value)
        if text.isdigit():
            return int(text)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
