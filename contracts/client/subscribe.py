"""The bands and outcomes of a deployment, as they are committed or from where one left off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypedDict, Unpack

from contracts.client.decode import Decoder
from contracts.client.gap import Gap
from contracts.client.position import Position, PositionStore
from contracts.client.reader import Start
from contracts.client.streams import Streams
from contracts.client.subscription import Subscription
from contracts.events.band import Band
from contracts.events.outcome import Outcome
from contracts.model.grid import HORIZONS


class Connection(TypedDict, total=False):
    """Keywords that `subscribe`, `outcomes` and their synchronous twins share.

    `cluster`: the URL names a node of a cluster. `options`: go to redis-py (`ssl_ca_certs`,
    `credential_provider`, …). `on_gap`: called instead of raising `TrimmedError`; reading goes on with the
    oldest entry kept. `newer`: "raise" or "skip" a record of a newer schema version. `follow`: False ends
    the iteration once everything there is has been handed out. `patience_s`: raise `UnavailableError` after
    so long an outage; by default an outage is waited out, with a warning in the log of `contracts.client`.
    """

    cluster: bool
    options: Mapping[str, Any] | None
    on_gap: Callable[[Gap], None] | None
    newer: Literal["raise", "skip"]
    follow: bool
    patience_s: float | None


def subscribe(
    url: str,
    symbols: Iterable[str] | None = None,
    horizons: Iterable[int] = HORIZONS,
    *,
    position: Position | PositionStore | None = None,
    start: Start = "new",
    bands_only: bool = False,
    partitions: int = 1,
    **connection: Unpack[Connection],
) -> Subscription[Band]:
    """Every record of some symbols (None: of all) and horizons (bars), bands and `no_band` alike.

    Delivery is at least once: a record counts as handled when the next one is asked for. With
    `position=FilePosition("desk.json")` a killed process goes on where it was, and only the record in hand
    comes again, under the same `entry`. Where the position does not know a stream, `start` decides: "new",
    "oldest" (what is still kept), or a time (everything the server received from then on). `partitions` is
    the deployment's. Records of one stream come in its order. All horizons of a bar are committed at once,
    so that no read sees some of them only; they come together but for neighbours of the same millisecond.
    Between partitions there is no order.

        desk = FilePosition("desk.json")
        async with subscribe("redis://localhost", ["BTCUSDT"], (42, 60), position=desk) as bands:
            async for band in bands:
                print(band.symbol, band.issued_at, band.prices or band.reason)

    Raises:
        BadInputError: a symbol, horizon, URL or position is not one; see `Subscription.__anext__` for what
            iterating may raise.
    """
    streams = Streams.of("bands", symbols, horizons, partitions)
    names = streams.symbols

    def wanted(band: Band) -> bool:
        return (names is None or band.symbol in names) and (band.is_band or not bands_only)

    return Subscription(
        url, streams, Decoder(Band), wanted=wanted, position=position, start=start, **connection
    )


def outcomes(
    url: str,
    symbols: Iterable[str] | None = None,
    horizons: Iterable[int] = HORIZONS,
    *,
    position: Position | PositionStore | None = None,
    start: Start = "new",
    partitions: int = 1,
    **connection: Unpack[Connection],
) -> Subscription[Outcome]:
    """What became of the bands whose target bar has closed; otherwise as `subscribe`.

    Raises:
        BadInputError: as `subscribe`.
    """
    streams = Streams.of("outcomes", symbols, horizons, partitions)
    names = streams.symbols
    return Subscription(
        url,
        streams,
        Decoder(Outcome),
        wanted=lambda outcome: names is None or outcome.symbol in names,
        position=position,
        start=start,
        **connection,
    )
