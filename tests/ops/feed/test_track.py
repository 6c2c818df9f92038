"""What is sent and what is waited for, as a pure function of answers and time."""

from __future__ import annotations

import math

import pytest

from contracts.errors import BadInputError
from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS
from ops.feed.config import FeedConfig
from ops.feed.names import bar_name, instruments
from ops.feed.track import KEPT, Track, sift

GRACE = 900.0


def candle(number: int, close: float = 1.5) -> Candle:
    return Candle(number * BAR_SECONDS, 1.0, 2.0, 0.5, close, 1.0)


def closed(number: int, after_s: float = 0.0) -> float:
    return (number + 1) * BAR_SECONDS + after_s


def opens(ready: tuple[Candle, ...]) -> list[int]:
    return [one.open_time // BAR_SECONDS for one in ready]


def test_candles_in_progress_wait() -> None:
    sifted = sift(Track("A", candle(0).open_time), [candle(1), candle(2)], closed(1), 0.0, GRACE)
    assert opens(sifted.ready) == [1]
    assert not sifted.waiting


def test_nothing_sent_comes_again() -> None:
    track = Track("A").sent(candle(0)).sent(candle(1))
    assert sift(track, [candle(0), candle(1)], closed(1, 60), 0.0, GRACE).ready == ()


def test_a_hole_holds_back_what_follows_until_the_grace_is_over() -> None:
    track = Track("A", candle(0).open_time)
    # A grace longer than a bar: the next bar is here and waits.
    early = sift(track, [candle(2)], closed(2), 0.0, 2 * BAR_SECONDS)
    assert early.ready == ()
    assert early.waiting
    late = sift(track, [candle(2)], closed(2, BAR_SECONDS), 0.0, 2 * BAR_SECONDS)
    assert opens(late.ready) == [2]
    assert late.missing == (candle(1).open_time,)


def test_a_missing_bar_is_told_once() -> None:
    track = Track("A", candle(0).open_time)
    first = sift(track, [], closed(1, 1_000), 0.0, GRACE)
    assert first.missing == (candle(1).open_time,)
    assert sift(first.track, [], closed(1, 2_000), 0.0, GRACE).missing == ()


def test_a_bar_given_up_still_comes_before_the_next_and_counts_as_late() -> None:
    given_up = sift(Track("A", 0), [], closed(1, 1_000), 0.0, GRACE).track
    both = sift(given_up, [candle(1), candle(2)], closed(2), 0.0, GRACE)
    assert opens(both.ready) == [1, 2]
    assert both.late == {candle(1).open_time}


def test_a_revision_is_told_once_for_each_new_content() -> None:
    track = Track("A").sent(candle(0))
    first = sift(track, [candle(0, 1.6)], closed(0, 60), 0.0, GRACE)
    assert first.revised == (candle(0, 1.6),)
    assert sift(first.track, [candle(0, 1.6)], closed(0, 90), 0.0, GRACE).revised == ()
    assert sift(first.track, [candle(0, 1.7)], closed(0, 90), 0.0, GRACE).revised == (candle(0, 1.7),)


def test_what_is_remembered_stays_small() -> None:
    track = Track("A")
    for number in range(100):
        track = sift(track, [candle(number)], closed(number), 0.0, GRACE).track.sent(candle(number))
        track = sift(track, [candle(number, 1.6)], closed(number), 0.0, GRACE).track
    assert len(track.recent) == KEPT
    assert len(track.revised) <= KEPT
    assert not track.absent


@pytest.mark.parametrize(
    "broken",
    [candle(1)._replace(close=math.nan), candle(1)._replace(high=0.9), candle(1)._replace(volume=-1.0)],
)
def test_what_can_not_be_a_bar_is_refused_and_awaited(broken: Candle) -> None:
    sifted = sift(Track("A", 0), [broken], closed(1), 0.0, GRACE)
    assert sifted.ready == ()
    assert sifted.waiting
    assert sifted.refused[0][0] == candle(1).open_time
    assert opens(sift(sifted.track, [candle(1)], closed(1, 5), 0.0, GRACE).ready) == [1]


def test_before_its_first_trade_nothing_is_missing() -> None:
    sifted = sift(Track("A"), [candle(7), candle(8)], closed(8), 0.0, GRACE)
    assert opens(sifted.ready) == [7, 8]
    assert sifted.missing == ()


MARKETS = {
    "BTC/USDT": {"id": "BTCUSDT", "spot": True},
    "BTC/USDT:USDT": {"id": "BTCUSDT", "spot": False},
    "ETH/USDT": {"id": "ETHUSDT", "spot": True},
}


@pytest.mark.parametrize("asked", ["BTC/USDT", "BTCUSDT", "btcusdt", "btc/usdt"])
def test_a_market_is_found_by_any_of_its_names(asked: str) -> None:
    assert [one.market for one in instruments([asked], MARKETS, "x")] == ["BTC/USDT"]


def test_a_market_that_does_not_exist_is_told_with_the_nearest() -> None:
    with pytest.raises(BadInputError, match=r"found 'BTC/USTD'.*nearest it has: BTC/USDT"):
        instruments(["BTC/USTD"], MARKETS, "x")


def test_two_markets_under_one_name_are_refused() -> None:
    with pytest.raises(BadInputError, match="one market for each symbol"):
        instruments(["A=BTC/USDT", "A=ETH/USDT"], MARKETS, "x")
    with pytest.raises(BadInputError, match="capital letters"):
        instruments(["a b=BTC/USDT"], MARKETS, "x")


def test_a_perpetual_and_its_spot_have_two_names() -> None:
    assert bar_name("BTC/USDT") != bar_name("BTC/USDT:USDT")


def test_a_feed_of_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match="found none"):
        FeedConfig("binance", ())
