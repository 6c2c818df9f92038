"""Run an exchange of one's own: a market, a clock, and faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, iso
from ops.cli.bar_files import read_histories
from ops.cli.options import OptionalBarFiles, Symbols, moment
from ops.console import out, told_errors

if TYPE_CHECKING:
    from ops.mock_exchange import MockExchange

EXAMPLE = "Example: bands mock-exchange --days-ago 60 --speed 3600 --fault late=0.1 --fault http500=0.05"

SIMULATED = ("SIMBTC", "SIMETH")
"""The coins of `bands demo`, so that its bundle knows them; their module would load the registry."""
HISTORY_DAYS = 400
"""History before the clock's start: more than a bundle's longest window, and any back-fill of a year."""
AHEAD_DAYS = 730


def run(
    bars: OptionalBarFiles = None,
    symbols: Symbols = None,
    start: Annotated[
        str | None, typer.Option(help="Where its clock begins, e.g. 2024-01-01 (UTC); default: now.")
    ] = None,
    days_ago: Annotated[
        float | None, typer.Option(min=0.0, help="Instead of --start: so many days before now.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.0, help="How many times as fast as real time its clock runs.")
    ] = 1.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="kind=chance or kind=chance:seconds; kinds: late missing revised partial http429 http500 "
            "http503 timeout drop garbage."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated market and of the faults.")] = 7,
    host: Annotated[str, typer.Option(help="Where to listen; loopback unless told otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any free one.")] = 8_200,
) -> None:
    """Speaks the REST of binance and bitstamp, and binance's websocket. Stop it with Ctrl-C.

    Workers refuse bars from the future: let a fast clock begin in the past.
    """
    with told_errors():
        from ops.mock_exchange import Faults, FaultSpec, Market, MarketClock, MockExchange

        if start is not None and days_ago is not None:
            raise ValueError("expected --start or --days-ago, found both")
        begins = _begin(start, days_ago)
        faults = Faults([FaultSpec.parse(text) for text in fault or ()], seed)
        histories = _histories(bars, symbols, begins, seed)
        end = max(int(history.open_time[-1]) for history in histories) + BAR_SECONDS
        if begins is None and speed != 1.0:
            begins = datetime.now(UTC).timestamp()
        clock = MarketClock(begins, speed, end + 3_600)
        exchange = MockExchange(Market(histories, clock, faults), host, port)
        asyncio.run(_serve(exchange))


async def _serve(exchange: MockExchange) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = await exchange.open()
    market = exchange.market
    pairs = " ".join(listing.pair for listing in market.listings[:5])
    out.print(f"exchange at {exchange.url}, its clock at {iso(int(market.clock.now()))}", highlight=False)
    for dialect in ("binance", "bitstamp"):
        command = f"bands feed --exchange {dialect} --base-url {exchange.url} --symbols {pairs} --poll-s 0.5"
        out.print(f"  {command}", highlight=False, soft_wrap=True)
    with contextlib.suppress(asyncio.CancelledError):
        await stop.wait()
    await runner.cleanup()


def _begin(start: str | None, days_ago: float | None) -> float | None:
    if days_ago is not None:
        return (datetime.now(UTC) - timedelta(days=days_ago)).timestamp()
    begins = moment(start)
    return None if begins is None else float(begins)


def _histories(
    bars: list[Path] | None, symbols: list[str] | None, begins: float | None, seed: int
) -> list[History]:
    if bars:
        histories = [history for history, _ in read_histories(bars)]
        wanted = _names(symbols) or [history.symbol for history in histories]
        found = {history.symbol: history for history in histories}
        if unknown := [name for name in wanted if name not in found]:
            raise ValueError(f"expected --symbols among {', '.join(found)}, found {', '.join(unknown)}")
        return [found[name] for name in wanted]
    from offline.market import MarketSpec, simulate

    now = datetime.now(UTC).timestamp() if begins is None else begins
    first = int(now - HISTORY_DAYS * 86_400) // BAR_SECONDS * BAR_SECONDS
    n_bars = (HISTORY_DAYS + AHEAD_DAYS) * 6
    market = simulate(MarketSpec(), _names(symbols) or list(SIMULATED), n_bars, first, seed)
    return list(market.histories.values())


def _names(symbols: list[str] | None) -> list[str]:
    return [name.replace("/", "") for part in symbols or () for name in part.replace(",", " ").split()]
