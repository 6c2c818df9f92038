"""One exchange through ccxt: markets, candles and its clock, with patience for what is passing."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from contracts.errors import BadInputError, UnavailableError
from contracts.model.candle import Candle
from ops.feed.metrics import EXCHANGE_ERRORS
from ops.feed.names import Instrument, instruments
from ops.feed.urls import moved

# ccxt carries no types.
ccxt: Any = import_module("ccxt")

log = logging.getLogger(__name__)

TIMEFRAME = "4h"
PAGE = 500
"""Candles asked for at once; most exchanges give up to 1,000, some fewer, and then the next page follows."""
WATCHED_TOGETHER = 100
"""Markets of one websocket subscription; exchanges allow 200 and more."""
ATTEMPTS = 4
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
"""An exchange may ask for more patience than our own; beyond this we look whether it still means it."""

ClockSource = Literal["exchange", "date header", "local"]

TROUBLES: tuple[type[Exception], ...] = (
    ccxt.BaseError,
    # What ccxt's parsers raise on an answer that is not what the exchange's documentation promises.
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    # What a connection raises that ccxt did not wrap, a websocket's above all.
    aiohttp.ClientError,
    OSError,
)
"""Everything that a request to an exchange fails with."""


LIMITED = (ccxt.DDoSProtection, ccxt.RateLimitExceeded)
"""Asked too often: one is not a kind of the other."""


class ExchangeError(UnavailableError):
    """The exchange did not answer, or not with what was asked for, after several attempts."""


class Exchange:
    """A ccxt exchange. `open` it before anything else, `close` it at the end.

    Raises:
        BadInputError: ccxt does not know it, or it has no 4-hour candles.
    """

    def __init__(self, name: str, *, base_url: str | None = None, timeout_s: float = 10.0) -> None:
        pro: Any = import_module("ccxt.pro")
        self.name = name
        self._api = _client(pro, name, timeout_s)
        if not self._api.has.get("fetchOHLCV") or TIMEFRAME not in (self._api.timeframes or {}):
            raise BadInputError(
                f"expected an exchange with {TIMEFRAME} candles, found {name}, which offers "
                f"{', '.join(self._api.timeframes or {}) or 'none'}; choose another"
            )
        # Coins are not needed, and on several exchanges cost a request of megabytes.
        self._api.has["fetchCurrencies"] = False
        if base_url is not None:
            self._api.urls["api"] = moved(self._api.urls["api"], base_url)
        else:
            self._api.aiohttp_trust_env = True
        self._clock_market: str | None = None
        self.clock_source: ClockSource = "exchange" if self._api.has.get("fetchTime") else "date header"

    @property
    def has_websocket(self) -> bool:
        """Whether ccxt can watch this exchange's candles."""
        return bool(self._api.has.get("watchOHLCV"))

    async def open(self, symbols: tuple[str, ...]) -> list[Instrument]:
        """Load its markets and find those asked for, by the name of their bars.

        Raises:
            BadInputError: it has no such market; the message names the nearest.
            ExchangeError: it does not answer.
        """
        kinds = self._api.options.get("fetchMarkets")
        if isinstance(kinds, dict) and "types" in kinds and not any(":" in symbol for symbol in symbols):
            # Spot alone, where it can be chosen: derivatives are other hosts and megabytes more.
            kinds["types"] = ["spot"]
        markets = await self._asked("markets", lambda: self._api.load_markets(True))
        if not isinstance(markets, Mapping) or not markets:
            raise ExchangeError(f"expected markets of {self.name}, found none in its answer; try again later")
        found = instruments(symbols, markets, self.name)
        self._clock_market = found[0].market
        return found

    async def close(self) -> None:
        """Close its connections."""
        await self._api.close()

    async def now(self) -> float:
        """The exchange's clock, epoch seconds, read before it is returned and never ahead.

        A candle that closes by then is closed in every answer to a later question. From `fetchTime`, else
        from the Date of an answer, which is cut to whole seconds, else this machine's clock.

        Raises:
            ExchangeError: it does not answer.
        """
        if self.clock_source == "exchange":
            ms = await self._asked("time", self._api.fetch_time)
            if not isinstance(ms, int | float) or ms <= 0:
                raise ExchangeError(f"expected the time of {self.name}, found {ms!r}; try again later")
            return float(ms) / 1_000
        if self.clock_source == "date header":
            await self._asked("time", lambda: self._api.fetch_ohlcv(self._clock_market, TIMEFRAME, None, 1))
            if (stamped := _date(self._api.last_response_headers)) is not None:
                return stamped
            self.clock_source = "local"
            log.warning("%s tells its time in no way: this machine's clock decides what is closed", self.name)
        return time.time()

    async def candles(self, market: str, since: int, limit: int = PAGE) -> list[Candle]:
        """At most `limit` candles that open at or after `since` (epoch seconds), also the one in progress.

        A number that the exchange leaves out is NaN. Ordered by time, each time once.

        Raises:
            ExchangeError: it does not answer.
        """
        rows = await self._asked(
            "candles", lambda: self._api.fetch_ohlcv(market, TIMEFRAME, since * 1_000, min(limit, PAGE))
        )
        try:
            found = {candle.open_time: candle for candle in map(_candle, rows)}
        except (TypeError, ValueError, IndexError) as error:
            raise ExchangeError(
                f"expected candles of {market} at {self.name}, found an answer that is none: {error}"
            ) from error
        return [found[open_time] for open_time in sorted(found) if open_time >= since]

    def watch_groups(self, markets: Sequence[str]) -> list[list[str]]:
        """Markets that one `watch` can follow together."""
        size = WATCHED_TOGETHER if self._api.has.get("watchOHLCVForSymbols") else 1
        return [list(markets[at : at + size]) for at in range(0, len(markets), size)]

    async def watch(self, markets: list[str]) -> dict[str, int]:
        """Wait for a websocket message; the newest open time it tells of, by market (epoch seconds).

        Raises:
            one of `TROUBLES`: the connection failed, or the exchange does not offer it after all.
        """
        if self._api.has.get("watchOHLCVForSymbols"):
            told = await self._api.watch_ohlcv_for_symbols([[market, TIMEFRAME] for market in markets])
            rows = {market: frames.get(TIMEFRAME) or [] for market, frames in told.items()}
        else:
            rows = {markets[0]: await self._api.watch_ohlcv(markets[0], TIMEFRAME)}
        return {market: int(max(row[0] for row in found)) // 1_000 for market, found in rows.items() if found}

    async def _asked(self, what: str, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a question; passing faults of network and exchange are waited out for a while."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(ccxt.OperationFailed),
            wait=self._pause,
            stop=stop_after_attempt(ATTEMPTS),
            before_sleep=_count,
            reraise=True,
        )

        async def asking() -> Any:
            return await ask()

        try:
            return await attempts(asking)
        except TROUBLES as error:
            EXCHANGE_ERRORS.labels(type(error).__name__).inc()
            raise ExchangeError(
                f"expected {what} from {self.name}, found {type(error).__name__}: {_short(error)}; "
                f"{_advice(error)}"
            ) from error

    def _pause(self, state: RetryCallState) -> float:
        own = float(
            (wait_exponential(FIRST_PAUSE_S, max=LONGEST_PAUSE_S) + wait_random(0, FIRST_PAUSE_S))(state)
        )
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, LIMITED):
            return own
        headers = self._api.last_response_headers or {}
        asked = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        return max(own, min(float(asked), LONGEST_RETRY_AFTER_S)) if asked.isdigit() else own


def is_unsupported(error: Exception) -> bool:
    """Whether the exchange will never do what was asked."""
    return isinstance(error, ccxt.NotSupported)


def _client(pro: Any, name: str, timeout_s: float) -> Any:
    known = list(ccxt.exchanges)
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.5) or ["binance", "bitstamp", "kraken"]
        raise BadInputError(
            f"expected an exchange that ccxt knows, found {name!r}; the nearest: {', '.join(near)}"
        )
    library = pro if name in pro.exchanges else import_module("ccxt.async_support")
    api = getattr(library, name)({"enableRateLimit": True, "timeout": round(timeout_s * 1_000)})
    api.on_rest_response = _only_json(api.on_rest_response)
    return api


def _only_json(read: Callable[..., str]) -> Callable[..., str]:
    """ccxt takes a page of HTML with status 200 for an empty list: history would be lost."""

    def checked(status: int, reason: str, url: str, *rest: Any) -> str:
        text = read(status, reason, url, *rest)
        if status < 300:
            try:
                json.loads(text)
            except ValueError as error:
                told = f"expected JSON from {urlsplit(url).path}, found {text[:60]!r}"
                raise ccxt.ExchangeNotAvailable(told) from error
        return text

    return checked


def _candle(row: Any) -> Candle:
    numbers = [math.nan if value is None else float(value) for value in row[1:6]]
    if len(numbers) != 5 or row[0] is None:
        raise ValueError(f"expected a time and five numbers, found {row!r}")
    return Candle(int(row[0]) // 1_000, *numbers)


def _date(headers: Mapping[str, str] | None) -> float | None:
    text = {name.lower(): value for name, value in (headers or {}).items()}.get("date")
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def _count(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    EXCHANGE_ERRORS.labels(type(error).__name__).inc()
    log.info("asking again: %s: %s", type(error).__name__, _short(error))


def _advice(error: Exception) -> str:
    if isinstance(error, LIMITED):
        return f"it has had enough after {ATTEMPTS} attempts: wait, and ask for fewer markets at once"
    if isinstance(error, ccxt.OperationFailed):
        return (
            f"that was attempt {ATTEMPTS}: see that this machine reaches it (HTTPS_PROXY, --base-url), and "
            "try again"
        )
    return "see what the exchange says of it"


def _short(error: BaseException | None) -> str:
    return " ".join(str(error).split())[:200]
