"""The exchange's HTTP side: both dialects on one port, faults in front of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from wsgiref.handlers import format_date_time

from aiohttp import web

from ops.mock_exchange import binance, bitstamp
from ops.mock_exchange.faults import FaultSpec
from ops.mock_exchange.market import Market

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

START_S = 20.0


class MockExchange:
    """A running exchange on loopback, in a thread of its own; ends with the context.

    >>> import urllib.request
    >>> from contracts.model.candle import History
    >>> from ops.mock_exchange.clock import MarketClock
    >>> with MockExchange(Market([], MarketClock(start=0, speed=0))) as exchange:
    ...     urllib.request.urlopen(exchange.url + "/api/v3/time").read()
    b'{"serverTime": 0}'
    """

    def __init__(self, market: Market, host: str = "127.0.0.1", port: int = 0) -> None:
        self.market = market
        self.requests = 0
        """Requests received so far."""
        self._host = host
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Its base URL; the port is known once it has started."""
        return f"http://{self._host}:{self._port}"

    async def open(self) -> web.AppRunner:
        """Listen on the running loop; the caller cleans the runner up.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(middlewares=[self._with_faults])
        app.on_response_prepare.append(self._date)
        app.add_routes(binance.routes(self.market))
        app.add_routes(bitstamp.routes(self.market))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise OSError(
                f"expected a free port {self._port} on {self._host} for the exchange, found "
                f"{error.strerror or error}; choose another with --port"
            ) from error
        self._port = int(runner.addresses[0][1])
        return runner

    def __enter__(self) -> Self:
        ready = threading.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._stopping = asyncio.Event()
            try:
                runner = await self.open()
            except OSError as error:
                self._failure = error
                return
            finally:
                ready.set()
            await self._stopping.wait()
            await runner.cleanup()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        ready.wait(START_S)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(START_S)

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        fault = self.market.faults.of_request()
        if fault is not None:
            return await _answer(request, fault)
        return await handler(request)

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG002
        """The exchange's own time, which is all that some exchanges tell of it."""
        response.headers["Date"] = format_date_time(self.market.clock.now())


async def _answer(request: web.Request, fault: FaultSpec) -> web.StreamResponse:
    match fault.kind:
        case "timeout":
            await asyncio.sleep(fault.seconds)
            return web.Response(status=504, text="the exchange took too long")
        case "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        case "garbage":
            return web.Response(
                text="<html><body>We will be back soon</body></html>", content_type="text/html"
            )
        case "http429":
            headers = {"Retry-After": "1"}
            return web.json_response(
                {"code": -1003, "msg": "Too many requests."}, status=429, headers=headers
            )
        case kind:
            status = int(kind.removeprefix("http"))
            return web.json_response({"code": -1000, "msg": "An unknown error occurred."}, status=status)
