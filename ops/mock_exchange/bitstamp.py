"""Bitstamp's dialect: `/api/v2/markets/` and `/api/v2/ohlc/{pair}/`; its time is the HTTP Date header."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ops.mock_exchange.market import Listing, Market, Served

MAX_CANDLES = 1_000


def routes(market: Market) -> list[web.RouteDef]:
    """The paths of this dialect; with and without a final slash."""
    dialect = _Bitstamp(market)
    return [
        web.get(path + end, handler)
        for path, handler in (
            ("/api/v2/markets", dialect.markets),
            ("/api/v2/ohlc/{pair}", dialect.ohlc),
        )
        for end in ("", "/")
    ]


class _Bitstamp:
    def __init__(self, market: Market) -> None:
        self._market = market
        self._listings = {listing.symbol.lower(): listing for listing in market.listings}

    async def markets(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.json_response([_market(listing) for listing in self._market.listings])

    async def ohlc(self, request: web.Request) -> web.Response:
        listing = self._listings.get(request.match_info["pair"])
        if listing is None:
            return web.json_response({"code": "Not found", "errors": []}, status=404)
        if request.query.get("step") != "14400":
            return web.json_response({"code": "Invalid step", "errors": []}, status=400)
        try:
            limit = int(request.query["limit"])
            start, end = (
                int(request.query[name]) if name in request.query else None for name in ("start", "end")
            )
        except (KeyError, ValueError):
            return web.json_response({"code": "Invalid query", "errors": []}, status=400)
        now = self._market.clock.now()
        served = self._market.candles(listing.symbol, now, start, end, min(limit, MAX_CANDLES))
        body = {"data": {"pair": listing.pair, "ohlc": [_ohlc(item) for item in served]}}
        return web.json_response(body)


def _market(listing: Listing) -> dict[str, Any]:
    return {
        "name": listing.pair,
        "market_symbol": listing.symbol.lower(),
        "base_currency": listing.base,
        "base_decimals": 8,
        "counter_currency": listing.quote,
        "counter_decimals": 8,
        "minimum_order_value": "10",
        "trading": "Enabled",
        "instant_and_market_orders": "Enabled",
        "description": f"{listing.base} / {listing.quote}",
        "market_type": "SPOT",
    }


def _ohlc(item: Served) -> dict[str, Any]:
    candle = item.candle
    told: dict[str, Any] = {"timestamp": str(candle.open_time)}
    told |= {"open": repr(candle.open), "high": repr(candle.high), "low": repr(candle.low)}
    if not item.partial:
        told |= {"close": repr(candle.close), "volume": repr(candle.volume)}
    return told
