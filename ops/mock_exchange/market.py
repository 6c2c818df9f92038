"""What the exchange knows: bars of its markets, seen at one moment of its clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts.model.candle import Candle, History
from contracts.model.grid import BAR_SECONDS, close_time
from ops.mock_exchange.clock import MarketClock
from ops.mock_exchange.faults import Faults

QUOTES = ("USDT", "USDC", "FDUSD", "USD", "EUR", "GBP", "BTC", "ETH")


@dataclass(frozen=True, slots=True)
class Listing:
    """A market by its two coins; base and quote together are the symbol of our bars."""

    base: str
    quote: str

    @property
    def symbol(self) -> str:
        """As our bars name it: `BTCUSDT`."""
        return self.base + self.quote

    @property
    def pair(self) -> str:
        """As ccxt names it: `BTC/USDT`."""
        return f"{self.base}/{self.quote}"

    @classmethod
    def of(cls, symbol: str) -> Listing:
        """Split a symbol where a known quote coin begins, else before its last three letters.

        >>> Listing.of("BTCUSDT").pair, Listing.of("SIMBTC").pair, Listing.of("AAA").pair
        ('BTC/USDT', 'SIM/BTC', 'A/AA')
        """
        for quote in QUOTES:
            if symbol.endswith(quote) and len(symbol) > len(quote):
                return cls(symbol.removesuffix(quote), quote)
        at = max(1, len(symbol) - 3)
        return cls(symbol[:at], symbol[at:])


def listings(symbols: Iterable[str]) -> list[Listing]:
    """A listing for every symbol, in their order."""
    return [Listing.of(symbol) for symbol in symbols]


@dataclass(frozen=True, slots=True)
class Served:
    """A candle as the exchange serves it now; `partial` ones lack their last numbers."""

    candle: Candle
    partial: bool = False


class Market:
    """Bars by symbol, a clock and faults: which candles a request is answered with.

    The last candle of an answer is the one in progress, as on every exchange.
    """

    def __init__(
        self, histories: Sequence[History], clock: MarketClock, faults: Faults | None = None
    ) -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.listings = listings(history.symbol for history in histories)
        self._candles = {history.symbol: history.candles() for history in histories}
        self._opens = {
            symbol: [candle.open_time for candle in candles] for symbol, candles in self._candles.items()
        }

    def candles(
        self, symbol: str, now: float, start: int | None, stop: int | None, limit: int
    ) -> list[Served]:
        """At most `limit` candles that open in [start, stop], epoch seconds; the newest without a start."""
        opens = self._opens[symbol]
        first = 0 if start is None else bisect_left(opens, start)
        last = bisect_left(opens, now if stop is None else min(now, stop + 1))
        if start is None:
            # A few more, for those that are not served.
            first = max(0, last - limit - 100)
        served: list[Served] = []
        for candle in self._candles[symbol][first:last]:
            seen = self._seen(symbol, candle, now)
            if seen is not None:
                served.append(seen)
                if start is not None and len(served) == limit:
                    break
        return served[-limit:]

    def truth(self, symbol: str, now: float) -> list[Candle]:
        """Every closed candle this market ever serves whole by `now`, as first served."""
        return [
            candle
            for candle in self._candles[symbol]
            if close_time(candle.open_time) <= now and not self._is_missing(symbol, candle)
        ]

    def next_close(self, now: float) -> int:
        """When the candle in progress closes, epoch seconds."""
        return close_time(int(now) // BAR_SECONDS * BAR_SECONDS)

    def _is_missing(self, symbol: str, candle: Candle) -> bool:
        fault = self.faults.of_candle(symbol, candle.open_time)
        return fault is not None and fault.kind == "missing"

    def _seen(self, symbol: str, candle: Candle, now: float) -> Served | None:
        closed_for = now - close_time(candle.open_time)
        if closed_for < 0:
            return Served(_in_progress(candle, now))
        fault = self.faults.of_candle(symbol, candle.open_time)
        if fault is None:
            return Served(candle)
        match fault.kind:
            case "missing":
                return None
            case "late":
                return None if closed_for < fault.seconds else Served(candle)
            case "partial":
                return Served(candle, partial=closed_for < fault.seconds)
            case _:
                return Served(candle if closed_for < fault.seconds else revised(candle))


def revised(candle: Candle) -> Candle:
    """The candle as the exchange corrects it later: another close and volume, still a possible bar."""
    return candle._replace(close=(candle.low + candle.high) / 2, volume=candle.volume * 1.01 + 1)


def _in_progress(candle: Candle, now: float) -> Candle:
    """What is known of a candle before its close: part of the way, part of the volume."""
    done = (now - candle.open_time) / BAR_SECONDS
    close = candle.open + done * (candle.close - candle.open)
    high = max(candle.open, close, candle.open + done * (candle.high - candle.open))
    low = min(candle.open, close, candle.open + done * (candle.low - candle.open))
    return candle._replace(high=high, low=low, close=close, volume=candle.volume * done)
