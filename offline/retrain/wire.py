"""A stream entry's fields as a message: JSON in `data`, flat fields, or what a FastStream publisher sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from faststream.redis.message import bDATA_KEY as FASTSTREAM_FIELD
from faststream.redis.parser import BinaryMessageFormatV1

from contracts.events.base import Event

Fields = Mapping[bytes, bytes]
"""Field names and values of an entry, as bytes."""

MAX_ENTRY_BYTES = 64 * 1024
"""A message needs 300 bytes; beyond this an entry is refused unread, as the worker does."""

M = TypeVar("M", bound=Event)


def size_of(fields: Fields) -> int:
    """Bytes of all names and values."""
    return sum(len(name) + len(value) for name, value in fields.items())


def message_of(model: type[M], fields: Fields) -> M:
    """The message in an entry.

    Raises:
        pydantic.ValidationError: the fields are no message of this kind.
        UnicodeDecodeError: flat fields that are not UTF-8.
        OverflowError: a number that no time can hold.
    """
    if (envelope := fields.get(FASTSTREAM_FIELD)) is not None:
        return model.from_wire(BinaryMessageFormatV1.parse(envelope)[0])
    if (data := fields.get(b"data")) is not None:
        return model.from_wire(data)
    return model.model_validate_strings({name.decode(): value.decode() for name, value in fields.items()})
