"""A raw entry of a request stream, read: a request, or the reason it is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from faststream.redis.message import bDATA_KEY as FASTSTREAM_FIELD
from faststream.redis.parser import BinaryMessageFormatV1
from pydantic import ValidationError

from contracts.events import RetrainRequest

MAX_ENTRY_BYTES = 64 * 1024
"""A request needs 300 bytes; beyond this an entry is refused unread."""

Fields = Mapping[bytes, bytes]
"""Field names and values of an entry, as bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One pending entry: its stream, its id there, and its fields (None when trimmed away)."""

    stream: str
    id: str
    fields: Fields | None

    @property
    def order(self) -> tuple[int, int]:
        """The id, comparable."""
        ms, _, seq = self.id.partition("-")
        return int(ms), int(seq)


def read_request(entry: Entry) -> RetrainRequest | str:
    """The request in an entry, or a sentence on why there is none. Never raises.

    Accepted: a `data` field with JSON, flat fields, or what a FastStream publisher sends.

    >>> read_request(Entry("alerts.retrain", "1-0", {b"data": b"{"}))[:26]
    'expected a retrain request'
    """
    if entry.fields is None:
        return "expected a retrain request, found its entry trimmed away unread; ask again"
    size = sum(len(name) + len(value) for name, value in entry.fields.items())
    if size > MAX_ENTRY_BYTES:
        return f"expected a retrain request of at most {MAX_ENTRY_BYTES} bytes, found {size}"
    try:
        return _parse(entry.fields)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'request'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_context=False, include_input=False)[:5]
        )
        return f"expected a retrain request (retrain/1), found: {told}"
    except (UnicodeDecodeError, OverflowError) as error:
        return f"expected a retrain request (retrain/1) in UTF-8, found: {error}"


def _parse(fields: Fields) -> RetrainRequest:
    if (envelope := fields.get(FASTSTREAM_FIELD)) is not None:
        return RetrainRequest.from_wire(BinaryMessageFormatV1.parse(envelope)[0])
    if (data := fields.get(b"data")) is not None:
        return RetrainRequest.from_wire(data)
    return RetrainRequest.model_validate_strings({n.decode(): v.decode() for n, v in fields.items()})
