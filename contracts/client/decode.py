"""From a stream entry's fields to a message, or to why it is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import ValidationError

from contracts.events.base import Event

E = TypeVar("E", bound=Event)

SkipKind = Literal["foreign", "newer"]


@dataclass(frozen=True, slots=True)
class Skip:
    """An entry that is not a message of the kind: `foreign`, or `newer` than this library."""

    kind: SkipKind
    found: str


@dataclass(frozen=True, slots=True)
class Decoder(Generic[E]):
    """Reads one kind of message."""

    model: type[E]

    @property
    def known(self) -> str:
        """The schema version this library reads, as in `band/1`."""
        return str(self.model.model_fields["schema_"].default)

    def decode(self, fields: Mapping[bytes, bytes]) -> E | Skip:
        """The message in the `data` field, or why there is none; never raises."""
        data = fields.get(b"data")
        if data is None:
            return Skip("foreign", "no field `data`")
        try:
            return self.model.from_wire(data)
        except ValidationError as error:
            schema = _schema_of(data)
            if schema is not None and self._is_newer(schema):
                return Skip("newer", schema)
            told = "; ".join(
                f"{'.'.join(map(str, e['loc']))}: {e['msg']}".removeprefix(": ") for e in error.errors()[:3]
            )
            return Skip("foreign", told[:300])

    def _is_newer(self, schema: str) -> bool:
        name, _, version = self.known.partition("/")
        found, _, number = schema.partition("/")
        return found == name and number.isascii() and number.isdigit() and int(number[:9]) > int(version)


def _schema_of(data: bytes) -> str | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    schema = value.get("schema") if isinstance(value, dict) else None
    return schema if isinstance(schema, str) else None
