"""The newest record per horizon, for those who poll."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from contracts.client.connect import Patience, connect, place
from contracts.client.decode import Decoder, Skip
from contracts.client.errors import NewerSchemaError
from contracts.client.streams import checked_symbols
from contracts.errors import UnavailableError
from contracts.events.band import Band
from contracts.topics import Topics, partition_of

_DECODER = Decoder(Band)


async def latest(
    url: str,
    symbol: str,
    *,
    partitions: int = 1,
    cluster: bool = False,
    patience_s: float = 5.0,
    options: Mapping[str, Any] | None = None,
) -> dict[int, Band]:
    """The newest record of `symbol` by horizon in bars; empty when it never had one.

    Raises:
        BadInputError: `symbol` or `url` is not one.
        NewerSchemaError: a record is newer than this library.
        UnavailableError: the server refuses, does not answer within `patience_s`, or holds something else.
    """
    checked_symbols([symbol])
    key = Topics(partition_of(symbol, partitions), partitions).latest(symbol)
    client = connect(url, cluster=cluster, options=options)
    try:
        fields = await Patience(place(url), patience_s).keep_trying(lambda: client.hgetall(key))
    finally:
        await client.aclose()
    return dict(sorted(_record(key, name.decode(), data) for name, data in fields.items()))


def latest_sync(
    url: str,
    symbol: str,
    *,
    partitions: int = 1,
    cluster: bool = False,
    patience_s: float = 5.0,
    options: Mapping[str, Any] | None = None,
) -> dict[int, Band]:
    """`latest` for those without asyncio.

    Raises:
        BadInputError, NewerSchemaError, UnavailableError: as `latest`.
    """
    return asyncio.run(
        latest(url, symbol, partitions=partitions, cluster=cluster, patience_s=patience_s, options=options)
    )


def _record(key: str, name: str, data: bytes) -> tuple[int, Band]:
    record = _DECODER.decode({b"data": data})
    match record:
        case Band():
            return record.horizon_bars, record
        case Skip(kind="newer"):
            raise NewerSchemaError(record.found, _DECODER.known, key, name)
        case Skip():
            raise UnavailableError(
                f"expected {_DECODER.known} in field {name} of {key}, found {record.found}; is this the "
                "right server?"
            )
