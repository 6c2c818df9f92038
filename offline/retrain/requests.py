"""A raw entry of a request stream, read: a request, or the reason it is none."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from contracts.events import RetrainRequest
from offline.retrain.wire import MAX_ENTRY_BYTES, Fields, message_of, size_of


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
    size = size_of(entry.fields)
    if size > MAX_ENTRY_BYTES:
        return f"expected a retrain request of at most {MAX_ENTRY_BYTES} bytes, found {size}"
    try:
        return message_of(RetrainRequest, entry.fields)
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'request'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_context=False, include_input=False)[:5]
        )
        return f"expected a retrain request (retrain/1), found: {told}"
    except (UnicodeDecodeError, OverflowError) as error:
        return f"expected a retrain request (retrain/1) in UTF-8, found: {error}"
