"""Figures: what they show of known records, and that they stay small however much there is."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from contracts.model.grid import BAR_SECONDS, HORIZONS
from ops.dashboard.cache import Cache, Swap
from ops.dashboard.figures.alerts import dead_figure, timeline_figure
from ops.dashboard.figures.candles import aggregated
from ops.dashboard.figures.fan import Scene, bands_figure
from ops.dashboard.figures.releases import lead_figure, lineup_figure
from ops.dashboard.pages.bands import window_of
from ops.dashboard.pages.calibration import figures
from ops.dashboard.pages.releases import leads, score_table, scores
from ops.dashboard.scores import rolling
from ops.dashboard.words import sentence
from tests.ops.dashboard import records

FIVE_YEARS = 5 * 2_190


def filled(count: int, symbols: tuple[str, ...] = ("AAA",), shadow: float | None = None) -> Cache:
    cache = Cache()
    for number, symbol in enumerate(symbols):
        closes = records.walk(count, seed=number + 1)
        cache.add_bars(symbol, [bar.candle for bar in records.bars(symbol, closes)])
        for horizon in HORIZONS:
            cache.add_bands(records.bands(symbol, closes, horizon))
            cache.add_outcomes(records.outcomes(symbol, closes, horizon, shadow=shadow))
    return cache


@pytest.fixture(scope="module")
def cache() -> Cache:
    return filled(800, shadow=1.5)


def scene(
    cache: Cache, days: float = 90.0, horizon: int = 42, window: tuple[float, float] | None = None
) -> Scene:
    newest = {h: band for h in HORIZONS if (band := cache.newest("AAA", h))}
    return Scene("AAA", horizon, cache.bars("AAA"), cache.bands("AAA", horizon), newest, days, window)


def named(figure: dict, part: str) -> dict:
    return next(trace for trace in figure["data"] if part in trace["name"])


def test_the_fan_spans_the_newest_bands_from_the_newest_close(cache: Cache) -> None:
    figure = bands_figure(scene(cache))
    fan = named(figure, "newest bands")
    newest = [cache.newest("AAA", horizon) for horizon in HORIZONS]
    assert fan["x"][0] == newest[0].issued_at.timestamp() * 1_000
    assert fan["y"][:5] == pytest.approx(
        [newest[0].ref_price, *(band.prices.q95 for band in newest)], rel=1e-6
    )
    assert max(fan["x"]) == newest[-1].target_time.timestamp() * 1_000
    for horizon, band in zip(HORIZONS, newest, strict=True):
        stick = named(figure, f"T{horizon}")
        assert stick["x"][0] == band.target_time.timestamp() * 1_000
        assert "90 %" in stick["hovertemplate"]


def test_misses_are_exactly_the_closes_outside_the_band_of_their_time(cache: Cache) -> None:
    figure = bands_figure(scene(cache, days=500))
    table = cache.outcomes("AAA", 42)
    wrong = table["at"][table["hit_90"] == 0]
    marks = named(figure, "outside")
    assert sorted(marks["x"]) == [1_000 * int(at) for at in wrong]
    assert len(wrong) > 5
    inside = 100 * (1 - len(wrong) / len(table))
    assert f"({inside:.0f} % of {len(table)} inside)" in marks["name"]


def test_candles_are_aggregated_so_that_few_are_drawn_and_none_is_left_out(cache: Cache) -> None:
    table = cache.bars("AAA")
    coarse = aggregated(table, 6)
    assert coarse["high"].max() == table["high"].max()
    assert coarse["low"].min() == table["low"].min()
    assert coarse["close"][-1] == table["close"][-1]
    assert coarse["open"][0] == table["open"][0]
    assert len(coarse) == pytest.approx(len(table) / 6, abs=1)


def test_a_window_that_is_zoomed_in_gets_its_finest_candles(cache: Cache) -> None:
    end = float(cache.bars("AAA")["at"][-1])
    far = bands_figure(scene(cache, days=500))
    near = bands_figure(scene(cache, days=500, window=(end - 20 * 86_400, end - 10 * 86_400)))
    assert far["layout"]["meta"]["step"] > near["layout"]["meta"]["step"] == 1
    low, high = near["layout"]["yaxis"]["range"]
    shown = cache.bars("AAA")
    shown = shown[(shown["at"] >= end - 20 * 86_400) & (shown["at"] <= end - 10 * 86_400)]
    assert low < shown["low"].min()
    assert high > shown["high"].max()
    assert far["layout"]["uirevision"] == near["layout"]["uirevision"], "zoom is kept"


def test_what_a_drag_tells_becomes_a_window() -> None:
    assert window_of({"xaxis.range[0]": "2024-01-01 00:00", "xaxis.range[1]": 1_704_153_600_000}) == [
        1_704_067_200.0,
        1_704_153_600.0,
    ]
    assert window_of({"xaxis.autorange": True}) is None
    assert window_of({"autosize": True}) == "as before"


def test_a_symbol_without_a_band_says_why_and_still_has_candles(cache: Cache) -> None:
    silent = Cache()
    closes = records.walk(10)
    silent.add_bars("AAA", [bar.candle for bar in records.bars("AAA", closes)])
    record = records.no_band("AAA", 42, records.START + 10 * BAR_SECONDS, closes[-1])
    silent.add_bands([record])
    figure = bands_figure(scene(silent))
    assert [trace["type"] for trace in figure["data"]] == ["candlestick"]
    assert "No 7 days band: it is still warming up" in sentence(record)
    nothing = bands_figure(Scene("B", 42, Cache().bars("B"), Cache().bands("B", 42), {}, 9))
    assert "No bars and no bands" in nothing["layout"]["annotations"][0]["text"]


def test_bars_that_are_no_longer_kept_are_told_by_the_records_reference_prices(cache: Cache) -> None:
    only = Cache()
    only.add_bands(records.bands("AAA", records.walk(100), 42))
    drawn = named(bands_figure(scene(only)), "AAA")
    assert drawn["close"] == pytest.approx(records.walk(100)[-len(drawn["close"]) :], rel=1e-6)


def test_a_band_in_words() -> None:
    band = records.band("BTC", 42, 1_704_067_200, 50_000.0)
    told = sentence(band)
    assert told.startswith("BTC closed at 50,000 on 2024-01-01 00:00 UTC. In 7 days, on 2024-01-08 00:00 UTC")
    for price in (band.prices.q05, band.prices.q95, band.prices.q25, band.prices.q75):
        assert f"{price:,.0f}" in told
    assert records.CHAMPION in told


def test_rolling_coverage_counts_independent_outcomes_within_its_window() -> None:
    at = 14_400 * np.arange(1, 2_001)
    hit = np.ones(2_000)
    hit[1_000:] = 0
    told = rolling(at, hit, 50)
    assert told.mean[999] == 1.0
    assert told.mean[1_999] == 0.0
    assert told.mean[1_000 + 269] == 0.5
    assert told.effective[-1] == 540 / 50


def test_calibration_of_a_known_walk_is_as_it_should_be(cache: Cache) -> None:
    coverage, width, pit, q_hat = figures(cache, "AAA", 42, 365.0)
    lines = [t for t in coverage["data"] if t["name"].startswith("T42")]
    table = cache.outcomes("AAA", 42)
    expected = 100 * table["hit_90"][-540:].mean()
    assert any(line["y"][-1] == pytest.approx(expected) for line in lines)
    expected_width = 100 * 2 * math.sinh(1.6449 * records.SIGMA * math.sqrt(42))
    assert width["data"][0]["y"][-1] == pytest.approx(expected_width, rel=1e-4)
    assert sum(pit["data"][0]["y"]) == pytest.approx(100, abs=1e-3)
    assert pit["layout"]["meta"]["effective"] == pytest.approx(len(table) / 42)
    assert q_hat["data"][0]["y"][-1] == pytest.approx(0.1)
    assert {shape["y0"] for shape in coverage["layout"]["shapes"]} == {90, 50}


def test_without_outcomes_calibration_says_so_in_words() -> None:
    for figure in figures(Cache(), "*", 42, 365.0):
        assert " yet" in figure["layout"]["annotations"][0]["text"]


def test_alerts_show_their_evidence_and_escape_it() -> None:
    figure = timeline_figure([records.alert(evidence="<b>ratio</b> > 2")], [], [], [], 0)
    (trace,) = figure["data"]
    assert trace["y"] == ["width"]
    assert "&lt;b&gt;ratio&lt;/b&gt; &gt; 2" in trace["customdata"][0]
    assert "Nothing has drifted" in timeline_figure([], [], [], [], 0)["layout"]["annotations"][0]["text"]
    assert "No bar was refused" in dead_figure([])["layout"]["annotations"][0]["text"]


def test_the_challengers_lead_and_scores_are_those_of_the_same_bars(cache: Cache) -> None:
    swap = Swap(1.0, 0, records.CHAMPION, records.CHALLENGER, 0.0)
    figure = lead_figure(leads(cache, swap))
    table = cache.outcomes("AAA", 42)
    expected = 100 * (table["pinball"] - table["rival_pinball"]).mean() / table["pinball"].mean()
    assert named(figure, "T42")["y"][-1] == pytest.approx(expected, rel=1e-3)
    assert expected < 0, "bands half again too wide lose"
    found = {(one.bundle, one.horizon): one for one in scores(cache, swap)}
    assert found[records.CHALLENGER, 42].coverage_90 == pytest.approx(table["rival_hit_90"].mean())
    assert found[records.CHAMPION, 60].effective == pytest.approx((800 - 60) / 60)
    assert "challenger" in str(score_table(list(found.values()), swap))


def test_a_bundle_that_stays_through_several_swaps_is_one_bar() -> None:
    swaps = [Swap(1, 0, "a", None, 0), Swap(2, 0, "a", "b", 0), Swap(5, 0, "b", None, 0)]
    champion, challenger = lineup_figure(swaps, 9)["data"]
    assert (champion["y"], champion["base"], champion["x"]) == (["a", "b"], [1_000, 5_000], [4_000, 4_000])
    assert (challenger["y"], challenger["base"], challenger["x"]) == (["b"], [2_000], [3_000])


def test_five_years_stay_small() -> None:
    closes = records.walk(FIVE_YEARS)
    cache = Cache(3_000)
    cache.add_bars("AAA", [bar.candle for bar in records.bars("AAA", closes)])
    cache.add_bands(records.bands("AAA", closes, 42))
    figure = bands_figure(scene(cache, 1_830.0))
    assert len(json.dumps(figure)) < 1_000_000
    assert len(named(figure, "candle")["x"]) < 700
