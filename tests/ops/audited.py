"""A server with a served history: swaps, a shadow, bad input and outcomes; and ways to tamper with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from contracts.events import Bar
from tests.behaviour.harness import Feed, ServedWorker, wait_in_effect
from tests.market import TestMarket, bar_of
from tests.servers import ServerProcess

FIRST, SECOND, THIRD = 30, 45, 70
"""Bars served by the champion alone, then with the rival in shadow, then by the rival: of two symbols."""


@dataclass(frozen=True)
class History:
    """A server whose worker has ended, the folder it ran in, and the bundles that answered."""

    server: ServerProcess
    folder: Path
    bundles: tuple[Path, Path]
    bars: list[Bar]

    @property
    def url(self) -> str:
        return self.server.url

    def client(self) -> Any:
        return Redis.from_url(self.url)


@contextmanager
def served_history(folder: Path, market: TestMarket, rival: TestMarket) -> Iterator[History]:
    """Serve 145 bars of each of two symbols under three lineups, with four bad entries among them."""
    server = ServerProcess("valkey", folder / "server")
    server.start()
    try:
        bars = market.bars(FIRST + SECOND + THIRD)
        feed = Feed(server.url, bars)
        for number, (bundle, challenger, count) in enumerate(
            (
                (market.folder, None, 2 * FIRST),
                (market.folder, rival.folder, 2 * SECOND),
                (rival.folder, None, 2 * THIRD),
            )
        ):
            with a_worker(server.url, folder, bundle, challenger):
                feed.push(count)
                if number == 0:
                    push_bad(server.client(), bars, market)
                last = server.client().xrevrange("bars.4h", count=1)[0][0].decode()
                wait_in_effect(server.client(), last)
        yield History(server, folder, (market.folder, rival.folder), bars)
    finally:
        server.stop()


@contextmanager
def a_worker(url: str, folder: Path, bundle: Path, challenger: Path | None = None) -> Iterator[None]:
    """A ready worker that no slow machine makes lose its lease."""
    worker = ServedWorker(url, folder, bundle, BANDS_WORKER__LEASE_TTL_MS="10000")
    if challenger is not None:
        worker._command += ["--challenger", str(challenger)]
    with worker:
        worker.wait_ready()
        yield
        assert worker.stop() == 0


def push_bad(client: Any, bars: list[Bar], market: TestMarket) -> None:
    """Rubbish, a conflict, a late bar and a symbol nobody knows."""
    changed = bars[10].model_copy(update={"volume": bars[10].volume + 1})
    ancient = bar_of("AAA", market.training["AAA"].candles()[0])
    stranger = bar_of("ZZZ", market.live["AAA"].candles()[5])
    for data in (b"rubbish", changed.to_wire(), ancient.to_wire(), stranger.to_wire()):
        client.xadd("bars.4h", {"data": data})


Change = Callable[[bytes, dict[bytes, bytes]], dict[bytes, bytes] | None]


@contextmanager
def rewritten(client: Any, stream: str, change: Change) -> Iterator[None]:
    """The stream with `change` made to its entries (None drops one), as it was again afterwards."""
    before = client.dump(stream)
    rows = client.xrange(stream)
    client.delete(stream)
    for entry, fields in rows:
        if (new := change(entry, fields)) is not None:
            client.xadd(stream, new, id=entry)
    try:
        yield
    finally:
        client.restore(stream, 0, before, replace=True)
