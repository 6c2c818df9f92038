"""The exchange of one's own, asked by the real ccxt classes."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path

import ccxt
import pytest

from contracts.errors import BadInputError
from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS
from offline.market import MarketSpec, simulate
from ops.feed.exchange import Exchange, ExchangeError
from ops.mock_exchange import Faults, FaultSpec, Market, MarketClock, MockExchange

START = 1_704_067_200
SYMBOLS = ("BTCUSDT", "ETHUSDT")
N_BARS = 60
NOW = START + 40 * BAR_SECONDS + 3_600


@pytest.fixture
def clock() -> MarketClock:
    return MarketClock(NOW, speed=0)


def market(clock: MarketClock, *faults: str, seed: int = 3) -> Market:
    histories = simulate(MarketSpec(), SYMBOLS, N_BARS, START, seed=1).histories
    return Market(list(histories.values()), clock, Faults(map(FaultSpec.parse, faults), seed))


@pytest.fixture(params=["binance", "bitstamp"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Asked:
    """One exchange in one dialect."""

    def __init__(self, dialect: str, market: Market) -> None:
        self.server = MockExchange(market)
        self._dialect = dialect

    async def __aenter__(self) -> Exchange:
        self.server.__enter__()
        self.exchange = Exchange(self._dialect, base_url=self.server.url, timeout_s=30)
        await self.exchange.open(("BTC/USDT",))
        return self.exchange

    async def __aexit__(self, *error: object) -> None:
        await self.exchange.close()
        self.server.__exit__(None, None, None)


async def test_candles_are_the_markets_and_the_last_is_in_progress(dialect: str, clock: MarketClock) -> None:
    told = market(clock)
    async with Asked(dialect, told) as exchange:
        candles = await exchange.candles("BTC/USDT", START)
    truth = told.truth("BTCUSDT", NOW)
    assert candles[:-1] == truth
    assert len(truth) == 40
    progress = candles[-1]
    assert progress.open_time == START + 40 * BAR_SECONDS
    whole = simulate(MarketSpec(), SYMBOLS, N_BARS, START, seed=1).histories["BTCUSDT"].candles()[40]
    assert progress.open == whole.open
    assert progress.volume == pytest.approx(whole.volume / 4)


async def test_since_and_limit_are_kept(dialect: str, clock: MarketClock) -> None:
    async with Asked(dialect, market(clock)) as exchange:
        since = START + 10 * BAR_SECONDS
        candles = await exchange.candles("BTC/USDT", since, 5)
        assert [c.open_time for c in candles] == [since + n * BAR_SECONDS for n in range(5)]


async def test_its_clock_is_told_and_never_ahead(dialect: str, clock: MarketClock) -> None:
    async with Asked(dialect, market(clock)) as exchange:
        assert exchange.clock_source == ("exchange" if dialect == "binance" else "date header")
        assert await exchange.now() == NOW
        clock.set(NOW + 0.9)
        assert NOW <= await exchange.now() <= NOW + 0.9


async def test_a_late_candle_is_there_after_its_time(dialect: str, clock: MarketClock) -> None:
    async with Asked(dialect, market(clock, "late=1:7200")) as exchange:
        newest_closed = START + 39 * BAR_SECONDS

        async def times() -> list[int]:
            return [c.open_time for c in await exchange.candles("BTC/USDT", START)]

        assert newest_closed not in await times()
        clock.set(NOW + 3_600)
        assert newest_closed in await times()


async def test_a_missing_candle_never_comes(dialect: str, clock: MarketClock) -> None:
    told = market(clock, "missing=0.3")
    async with Asked(dialect, told) as exchange:
        candles = await exchange.candles("BTC/USDT", START)
    assert candles[:-1] == told.truth("BTCUSDT", NOW)
    assert 0 < len(candles) - 1 < 40


async def test_a_revised_candle_changes_and_stays_a_possible_bar(dialect: str, clock: MarketClock) -> None:
    async with Asked(dialect, market(clock, "revised=1:7200")) as exchange:
        before = (await exchange.candles("BTC/USDT", START))[39]
        clock.set(NOW + 7_200)
        after = (await exchange.candles("BTC/USDT", START))[39]
    assert before.open_time == after.open_time
    assert before.close != after.close
    assert after.low <= after.close <= after.high


async def test_a_partial_candle_lacks_its_last_numbers(dialect: str, clock: MarketClock) -> None:
    async with Asked(dialect, market(clock, "partial=1:7200")) as exchange:
        candle: Candle = (await exchange.candles("BTC/USDT", START))[39]
    assert math.isnan(candle.close)
    assert math.isnan(candle.volume)
    assert not math.isnan(candle.open)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("http429", ccxt.DDoSProtection),
        ("http500", ccxt.OperationFailed),
        ("http503", ccxt.OperationFailed),
        ("drop", ccxt.NetworkError),
        ("timeout", ccxt.RequestTimeout),
        ("garbage", ccxt.ExchangeNotAvailable),
    ],
)
async def test_faults_of_requests_are_what_ccxt_makes_of_the_real_ones(
    fault: str, kind: type[Exception], clock: MarketClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.feed.exchange.ATTEMPTS", 1)
    told = market(clock)
    async with Asked("binance", told) as exchange:
        if fault == "timeout":
            exchange._api.timeout = 200
        told.faults = Faults([FaultSpec(fault, 1.0, 1.0)])
        with pytest.raises(ExchangeError) as caught:
            await exchange.candles("BTC/USDT", START)
        assert isinstance(caught.value.__cause__, kind)
        # aiohttp itself repeats a question whose connection was cut.
        assert told.faults.happened[fault] in (1, 2)


async def test_a_passing_fault_is_waited_out(clock: MarketClock) -> None:
    told = market(clock)
    async with Asked("binance", told) as exchange:
        told.faults = Faults([FaultSpec("http500", 0.5)], seed=1)
        for _ in range(4):
            assert len(await exchange.candles("BTC/USDT", START)) == 41
        assert told.faults.happened["http500"] > 0


def test_a_seed_repeats_its_faults_and_another_does_not() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults([FaultSpec("late", 0.3, 60.0)], seed)
        return [faults.of_candle("BTCUSDT", n * BAR_SECONDS) is not None for n in range(200)]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


@pytest.mark.parametrize("text", ["lates=0.1", "late=2", "late=x", "late"])
def test_a_fault_that_can_not_be_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="expected"):
        FaultSpec.parse(text)


def test_the_command_tells_how_to_point_a_feed_at_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.cli", "mock-exchange", "--port", "0", "--days-ago", "30"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "exchange at http://127.0.0.1:" in first
        assert "bands feed --exchange binance --base-url http://127.0.0.1:" in process.stdout.readline()
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_clock_runs_at_its_speed_and_stops_at_the_end_of_the_market() -> None:
    fast = MarketClock(START, speed=1e9, end=START + 100)
    assert fast.now() <= START + 100
    while fast.now() < START + 100:
        pass
    with pytest.raises(ValueError, match="at or after"):
        MarketClock(START, speed=0).set(START - 1)
