"""Binance's spot dialect: `/api/v3/exchangeInfo`, `time`, `ping`, `klines`, and the kline websocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from contracts.model.grid import BAR_SECONDS
from ops.mock_exchange.market import Listing, Market, Served

MAX_CANDLES = 1_000
PUSH_S = 0.5
"""How often the candle in progress is pushed to websocket subscribers, real seconds."""


def routes(market: Market) -> list[web.RouteDef]:
    """The paths of this dialect."""
    dialect = _Binance(market)
    return [
        web.get("/api/v3/exchangeInfo", dialect.exchange_info),
        web.get("/api/v3/time", dialect.time),
        web.get("/api/v3/ping", dialect.ping),
        web.get("/api/v3/klines", dialect.klines),
        web.get("/ws/{stream}", dialect.websocket),
    ]


class _Binance:
    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings = {listing.symbol: listing for listing in market.listings}

    async def exchange_info(self, request: web.Request) -> web.Response:  # noqa: ARG002
        body = {
            "timezone": "UTC",
            "serverTime": _ms(self._market.clock.now()),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [_symbol(listing) for listing in self._market.listings],
        }
        return web.json_response(body)

    async def time(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response({"serverTime": _ms(self._market.clock.now())})

    async def ping(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response({})

    async def klines(self, request: web.Request) -> web.Response:
        symbol = request.query.get("symbol", "")
        if symbol not in self._listings:
            return _refusal(-1121, "Invalid symbol.")
        if request.query.get("interval") != "4h":
            return _refusal(-1120, "Invalid interval.")
        try:
            limit = int(request.query.get("limit", "500"))
            start, end = (_seconds(request.query.get(name)) for name in ("startTime", "endTime"))
        except ValueError:
            return _refusal(-1100, "Illegal characters found in a parameter.")
        now = self._market.clock.now()
        served = self._market.candles(symbol, now, start, end, min(limit, MAX_CANDLES))
        return web.json_response([_kline(item) for item in served])

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        wanted: set[str] = set()
        pushing = asyncio.create_task(self._push(socket, wanted))
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                asked = json.loads(message.data)
                if asked.get("method") == "SUBSCRIBE":
                    for name in asked.get("params", []):
                        wanted.add(name.split("@")[0].upper())
                await socket.send_json({"result": None, "id": asked.get("id")})
        except ConnectionError:
            pass  # the subscriber is gone, which ends nothing but its subscription
        finally:
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await pushing
        return socket

    async def _push(self, socket: web.WebSocketResponse, wanted: set[str]) -> None:
        clock = self._market.clock
        while not socket.closed:
            now = clock.now()
            for symbol in sorted(wanted & self._listings.keys()):
                for item in self._market.candles(symbol, now, None, None, 2):
                    if not item.partial:
                        await socket.send_json(_push_of(symbol, item, now))
            await asyncio.sleep(min(PUSH_S, clock.wait_s(self._market.next_close(now))))


def _symbol(listing: Listing) -> dict[str, Any]:
    return {
        "symbol": listing.symbol,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0", "tickSize": "0.00000001"}
        ],
        "permissions": ["SPOT"],
    }


def _kline(item: Served) -> list[Any]:
    candle = item.candle
    close, volume = (None, None) if item.partial else (repr(candle.close), repr(candle.volume))
    ends = _ms(candle.open_time + BAR_SECONDS) - 1
    prices = [repr(candle.open), repr(candle.high), repr(candle.low)]
    return [_ms(candle.open_time), *prices, close, volume, ends, "0", 1, "0", "0", "0"]


def _push_of(symbol: str, item: Served, now: float) -> dict[str, Any]:
    candle = item.candle
    kline = {
        "t": _ms(candle.open_time),
        "T": _ms(candle.open_time + BAR_SECONDS) - 1,
        "s": symbol,
        "i": "4h",
        "o": repr(candle.open),
        "c": repr(candle.close),
        "h": repr(candle.high),
        "l": repr(candle.low),
        "v": repr(candle.volume),
        "n": 1,
        "x": candle.open_time + BAR_SECONDS <= now,
        "q": "0",
    }
    return {"e": "kline", "E": _ms(now), "s": symbol, "k": kline}


def _refusal(code: int, message: str) -> web.Response:
    return web.json_response({"code": code, "msg": message}, status=400)


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)


def _seconds(ms: str | None) -> int | None:
    """Query milliseconds as whole seconds, upwards: a candle opens on a whole second."""
    return None if ms is None else -(-int(ms) // 1_000)
