"""What every message shares: frozen, versioned by `schema`, UTC times, finite numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, StringConstraints

from contracts.model.grid import iso

SYMBOL_PATTERN = r"^[A-Z0-9][A-Z0-9._-]{0,31}$"
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN)]
"""An upper-case market name, up to 32 characters: `BTCUSDT`, `BTC-USD`, `ETH.P`."""


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(
            f"expected a time with its UTC offset such as 2024-01-01T00:00:00Z, found {moment.isoformat()} "
            "without one"
        )
    return moment.astimezone(UTC)


def _write_utc(moment: datetime) -> str:
    if moment.microsecond:
        return moment.isoformat().replace("+00:00", "Z")
    return iso(int(moment.timestamp()))


UtcTime = Annotated[
    datetime, AfterValidator(_in_utc), PlainSerializer(_write_utc, return_type=str, when_used="json")
]
"""A moment in UTC; ISO 8601 with a final Z in JSON."""


class Event(BaseModel):
    """A message on a stream.

    Readers ignore fields they do not know; a new optional field keeps the version in `schema`,
    anything else raises it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def to_wire(self) -> bytes:
        """The message as the JSON bytes of a stream entry's `data` field."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_wire(cls, data: bytes | str) -> Self:
        """Read a message from the `data` field of a stream entry.

        Raises:
            pydantic.ValidationError: the bytes are not JSON, or not a message of this schema.
        """
        return cls.model_validate_json(data)
