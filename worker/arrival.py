"""A raw entry of the bars stream, read: a valid closed bar, or the reason it is refused.

Accepted on the wire: a `data` field with JSON, flat fields, or what a FastStream publisher sends.
Reading never raises, so bad input can be dead-lettered and acknowledged in the same commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from faststream.redis.message import bDATA_KEY as FASTSTREAM_FIELD
from faststream.redis.parser import BinaryMessageFormatV1
from pydantic import ValidationError

from contracts.events import Bar, DeadReason
from contracts.model.grid import close_time, iso

MAX_ENTRY_BYTES = 64 * 1024
"""A bar needs 200 bytes; beyond this an entry is refused unread."""

CLOCK_TOLERANCE_S = 5
"""How far a feed's clock may run ahead of the server's before its bars count as not yet closed."""

EARLIEST_CREDIBLE_MS = 1_230_768_000_000
"""2009-01-01: an entry id before crypto existed was set by hand and says nothing about the time."""

Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an entry can not be a bar."""

    reason: DeadReason
    detail: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One entry: its id, its raw fields (None when trimmed away), and what it was read as."""

    entry: str
    fields: Fields | None
    content: Bar | Refusal


def read_entry(entry: str, fields: Fields | None, server_time_s: float) -> Arrival:
    """Read one entry of the bars stream.

    `server_time_s` is the server's clock in epoch seconds. What counts is the earlier of that clock and
    the moment in the entry's id, so that an entry read again after a crash is judged the same.
    """
    return Arrival(entry, fields, _read(entry, fields, server_time_s))


def _read(entry: str, fields: Fields | None, server_time_s: float) -> Bar | Refusal:
    if fields is None:
        return Refusal(
            "trimmed", "the entry was trimmed or deleted before it was read; the feed must send it again"
        )
    size = sum(len(name) + len(value) for name, value in fields.items())
    if size > MAX_ENTRY_BYTES:
        return Refusal("oversized", f"expected at most {MAX_ENTRY_BYTES} bytes, found {size}")
    try:
        bar = _parse(fields)
    except ValidationError as error:
        wrong_schema = any(problem["loc"] == ("schema",) for problem in error.errors())
        return Refusal("schema" if wrong_schema else "invalid_bar", _sentence(error))
    except UnicodeDecodeError as error:
        return Refusal("invalid_bar", f"expected UTF-8 text in every field, found {error.object[:40]!r}")
    except OverflowError as error:
        # The first and last hours of the calendar have no UTC equivalent in some offsets.
        return Refusal("invalid_bar", f"expected an open_time in the years 1 to 9999 UTC, found {error}")
    arrived_s = int(entry.split("-")[0]) / 1_000
    if arrived_s * 1_000 >= EARLIEST_CREDIBLE_MS:
        server_time_s = min(server_time_s, arrived_s)
    closes = close_time(bar.candle.open_time)
    if closes > server_time_s + CLOCK_TOLERANCE_S:
        return Refusal(
            "not_closed",
            f"expected a closed bar, found one that closes at {iso(closes)} by a server clock of "
            f"{iso(int(server_time_s))} (entry ids tell the time of arrival: leave them to the server)",
        )
    return bar


def _parse(fields: Fields) -> Bar:
    if (envelope := fields.get(FASTSTREAM_FIELD)) is not None:
        body, _ = BinaryMessageFormatV1.parse(envelope)
        return Bar.from_wire(body)
    if (data := fields.get(b"data")) is not None:
        return Bar.from_wire(data)
    return Bar.model_validate_strings({name.decode(): value.decode() for name, value in fields.items()})


def _sentence(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=True)
    told = []
    for problem in problems[:5]:
        where = ".".join(str(part) for part in problem["loc"]) or "bar"
        found = repr(problem["input"])[:80] if problem["loc"] else ""
        told.append(f"{where}: {problem['msg']}" + (f", found {found}" if found else ""))
    return "; ".join(told)
