"""Band and outcome records as a worker commits them, for subscribers' tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.client import Subscription
from contracts.events import Band, Calibration, Event, Outcome, Quantiles
from contracts.model.grid import HORIZONS
from contracts.topics import Topics, partition_of

START = datetime(2024, 1, 1, tzinfo=UTC)
BAR = timedelta(hours=4)
PATIENCE_S = 120.0
Key = tuple[str, int, int]
"""Symbol, bar counted from `START`, horizon."""


def band(symbol: str, bar: int, horizon: int) -> Band:
    opened = START + bar * BAR
    return Band(
        status="band",
        symbol=symbol,
        horizon_bars=horizon,
        open_time=opened,
        issued_at=opened + BAR,
        target_time=opened + BAR + horizon * BAR,
        ref_price=100.0,
        origin="live",
        bundle="0.1.0+abc",
        returns=Quantiles(q05=-0.1, q25=-0.03, q50=0.0, q75=0.03, q95=0.1),
        prices=Quantiles(q05=90.0, q25=97.0, q50=100.0, q75=103.0, q95=110.0),
        sigma=0.01,
        calibration=Calibration(method="split_cqr", q_hat_90=0.02, q_hat_50=-0.01),
    )


def no_band(symbol: str, bar: int, horizon: int) -> Band:
    full = band(symbol, bar, horizon).model_dump(exclude_none=True)
    heading = {k: v for k, v in full.items() if k not in {"returns", "prices", "sigma", "calibration"}}
    return Band.model_validate({**heading, "status": "no_band", "reason": "warming_up"})


def outcome(symbol: str, bar: int, horizon: int) -> Outcome:
    issued = START + (bar + 1) * BAR
    return Outcome(
        status="unresolved",
        symbol=symbol,
        horizon_bars=horizon,
        issued_at=issued,
        target_time=issued + horizon * BAR,
        bundle="0.1.0+abc",
        origin="live",
        reason="missing",
    )


def commit(
    client: Any,
    bars: Iterable[int],
    symbols: Iterable[str] = ("AAA", "BBB"),
    *,
    partitions: int = 1,
    records: Any = band,
    **trim: Any,
) -> list[Key]:
    """Append the records of some bars, those of one bar at once, as the commit script does."""
    done = []
    names = list(symbols)
    for bar in bars:
        for symbol in names:
            topics = Topics(partition_of(symbol, partitions), partitions)
            stream_of = topics.outcomes if records is outcome else topics.bands
            events = {stream_of(h): records(symbol, bar, h).to_wire() for h in HORIZONS}
            append(client, events, **trim)
            done += [(symbol, bar, h) for h in HORIZONS]
    return done


def append(client: Any, events: dict[str, bytes], maxlen: int = 50_000) -> None:
    script = (
        "for i, k in ipairs(KEYS) do redis.call('XADD', k, 'MAXLEN', ARGV[1], '*', 'data', ARGV[i+1]) end"
    )
    client.eval(script, len(events), *events, maxlen, *events.values())


def key(event: Event) -> Key:
    assert isinstance(event, Band | Outcome)
    opened = event.open_time if isinstance(event, Band) else event.issued_at - BAR
    return event.symbol, round((opened - START) / BAR), event.horizon_bars


async def listening(client: Any, task: asyncio.Task[Any]) -> None:
    """Wait until a reader is blocked on the server."""
    async with asyncio.timeout(PATIENCE_S):
        while not task.done():
            if any(c["cmd"] == "xread" and "b" in c["flags"] for c in client.client_list()):
                return
            await asyncio.sleep(0.005)
    task.result()


async def take(subscription: Subscription[Any], count: int) -> list[Key]:
    """The next records; the last of them stays in hand."""
    return [key(await anext(subscription)) for _ in range(count)]


async def rest(subscription: Subscription[Any]) -> list[Key]:
    """Everything there is, of a subscription that does not follow."""
    async with subscription:
        return [key(event) async for event in subscription]


def by_stream(keys: Iterable[Key]) -> dict[int, list[Key]]:
    """Records by horizon, each in its order: what is promised of a single partition."""
    told: dict[int, list[Key]] = {}
    for record in keys:
        told.setdefault(record[2], []).append(record)
    return told
