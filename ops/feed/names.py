"""Which market of the exchange is meant, and what its bars are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from contracts.errors import BadInputError
from contracts.events.base import SYMBOL_PATTERN


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """A market of the exchange. `name` is the symbol of its bars, `market` what ccxt calls it."""

    name: str
    market: str


def bar_name(market: str) -> str:
    """The symbol that the bars of a ccxt market get.

    >>> bar_name("BTC/USDT"), bar_name("BTC/USDT:USDT"), bar_name("BTC/USD:BTC-241227")
    ('BTCUSDT', 'BTCUSDT.P', 'BTCUSD.241227')
    """
    pair, settled, contract = market.partition(":")
    name = pair.replace("/", "")
    if settled:
        _, dated, expiry = contract.partition("-")
        name += f".{expiry}" if dated else ".P"
    return name.upper()


def instruments(
    asked: Iterable[str], markets: Mapping[str, Mapping[str, Any]], exchange: str
) -> list[Instrument]:
    """What was asked for (`BTC/USDT`, the exchange's own `BTCUSDT`, or `NAME=BTC/USDT`), by name.

    Raises:
        BadInputError: a market that the exchange does not have, a name that can not be a symbol, or one
            name for two markets.

    >>> instruments(["COIN=BTC/USDT"], {"BTC/USDT": {"id": "BTCUSDT", "spot": True}}, "binance")
    [Instrument(name='COIN', market='BTC/USDT')]
    """
    found: dict[str, Instrument] = {}
    for text in asked:
        given, named, rest = text.partition("=")
        wanted = (rest if named else given).strip()
        market = _market(wanted, markets, exchange)
        name = given.strip() if named else bar_name(market)
        if not re.fullmatch(SYMBOL_PATTERN, name):
            raise BadInputError(
                f"expected a symbol of capital letters, digits, '.', '_' or '-', found {name!r} for "
                f"{market}; name it, as in BTCUSDT={market}"
            )
        if name in found and found[name].market != market:
            raise BadInputError(
                f"expected one market for each symbol, found {found[name].market} and {market} for {name}; "
                f"name one of them, as in OTHER={market}"
            )
        found[name] = Instrument(name, market)
    return sorted(found.values())


def _market(wanted: str, markets: Mapping[str, Mapping[str, Any]], exchange: str) -> str:
    if wanted in markets:
        return wanted
    same = [
        symbol
        for symbol, market in markets.items()
        if wanted.upper() in (symbol.upper(), str(market.get("id", "")).upper(), bar_name(symbol))
    ]
    if same:
        return min(same, key=lambda symbol: (not markets[symbol].get("spot"), symbol))
    near = get_close_matches(wanted.upper(), markets, n=3, cutoff=0.4) or sorted(markets)[:3]
    raise BadInputError(
        f"expected a market of {exchange}, found {wanted!r}, which it does not have; "
        f"the nearest it has: {', '.join(near) or 'none at all'}"
    )
