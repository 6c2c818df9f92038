"""What a worker tells Prometheus: counts of what was said, and gauges that follow what is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from contracts.events import Bar
from contracts.model.drift import CHANNELS
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.topics import Topics
from tests.behaviour.harness import Feed, ServedWorker, wait_in_effect, wait_until
from tests.market import TRAINING_BARS, TestMarket, bar_of
from tests.worker.engines import arrivals, outcomes
from worker import metrics
from worker.arrival import Arrival, read_entry
from worker.engine import Engine
from worker.lineup import Lineup
from worker.nearness import Nearness, ratios
from worker.run import Run
from worker.scoreboard import Scoreboard
from worker.step import State
from worker.tally import tally

TOPICS = Topics()


def value(name: str, **labels: str) -> float:
    """A series as the registry has it now; 0 when it is not there."""
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


class Grown:
    """How much a counter has grown since it was first looked at."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for family in metrics.REGISTRY.collect():
            for sample in family.samples:
                self._before[sample.name, tuple(sorted(sample.labels.items()))] = sample.value

    def by(self, name: str, **labels: str) -> float:
        return value(name, **labels) - self._before.get((name, tuple(sorted(labels.items()))), 0.0)


def run_of(market: TestMarket, sent: list[Arrival], answer: str = "OK", state: State | None = None) -> Run:
    lineup = Lineup(market.bundle)
    step = Engine(lineup).run(state or State(), sent)
    return Run(sent, step, lineup, answer, 1_000.0, 1_000.25, 1_000.5)


class TestTally:
    """Counts of one run, from the bytes that were said."""

    def test_records_by_horizon_status_and_reason(self, market: TestMarket) -> None:
        bars = market.bars(20)
        stranger = bars[0].model_copy(update={"symbol": "ZZZ"})
        backfilled = bars[-1].model_copy(update={"origin": "backfill"})
        grown, run = Grown(), run_of(market, arrivals([*bars[:-1], stranger, backfilled]))
        tally(TOPICS)(run)
        for horizon in HORIZONS:
            name = f"T{horizon}"
            said = [json.loads(e.payload) for e in run.step.events if e.stream == TOPICS.bands(horizon)]
            bands = [one for one in said if one["status"] == "band"]
            assert bands
            assert grown.by("bands_records_total", horizon=name, status="band", reason="") == len(bands)
            for reason in ("unknown_symbol", "backfill"):
                labels = {"horizon": name, "status": "no_band", "reason": reason}
                assert grown.by("bands_records_total", **labels) == 1
        assert grown.by("bands_bars_total", origin="live") == len(bars)
        assert grown.by("bands_bars_total", origin="backfill") == 1

    def test_degraded_bands_by_cause(self, market: TestMarket) -> None:
        bars = [bar for bar in market.bars(30, ("AAA",)) if bar.open_time.day % 4 or bar.open_time.hour]
        grown, run = Grown(), run_of(market, arrivals(bars))
        tally(TOPICS)(run)
        said = [e.payload for e in run.step.events if e.stream.startswith("bands.")]
        bridged = sum("bridged_bars" in (json.loads(one).get("degraded") or ()) for one in said)
        assert bridged > 0
        assert grown.by("bands_degraded_total", cause="bridged_bars") == bridged

    def test_dead_letters_by_reason(self, market: TestMarket) -> None:
        bar = market.bars(1)[0]
        other = bar_of("AAA", bar.candle._replace(volume=bar.volume + 1))
        sent = [
            *arrivals([bar, other]),
            read_entry("9-0", {b"data": b"{"}, 2e9),
            read_entry("9-1", None, 2e9),
        ]
        grown = Grown()
        tally(TOPICS)(run_of(market, sent))
        for reason in ("conflict", "invalid_bar", "trimmed"):
            assert grown.by("bands_dead_letters_total", reason=reason) == 1
        assert grown.by("bands_bars_total", origin="refused") == 2
        assert grown.by("bands_events_total", stream=TOPICS.dead) == 3

    def test_end_to_end_is_of_live_bars_alone(self, market: TestMarket) -> None:
        now_ms = 1_700_000_000_000
        live, *others = market.bars(5)
        sent = [Arrival(f"{now_ms}-0", {}, live)]
        sent += [
            Arrival(f"{now_ms}-{n}", {}, b.model_copy(update={"origin": "replay"}))
            for n, b in enumerate(others, 1)
        ]
        sent.append(Arrival("5-0", {}, others[-1]))  # an id set by hand tells no time
        run = run_of(market, sent)
        grown = Grown()
        tally(TOPICS)(Run(run.arrivals, run.step, run.lineup, "OK", 1.7e9, 1.7e9, 1.7e9 + 0.3))
        assert grown.by("bands_end_to_end_seconds_count") == 1
        assert grown.by("bands_end_to_end_seconds_sum") == pytest.approx(0.3, abs=1e-3)

    @pytest.mark.parametrize("answer", ["DUP", "STALE", "GAP", "FENCED", "error"])
    def test_what_did_not_come_into_effect_is_not_counted(self, market: TestMarket, answer: str) -> None:
        grown = Grown()
        tally(TOPICS)(run_of(market, arrivals(market.bars(2)), answer))
        assert grown.by("bands_records_total", horizon="T42", status="band", reason="") == 0
        assert grown.by("bands_step_seconds_count") == 0


class TestNearness:
    """0 far from an alarm, above 1 with one, the same for a watch that was put away."""

    def test_a_break_in_volatility_brings_width_to_an_alarm(self, market: TestMarket) -> None:
        state, engine = State(), Engine(Lineup(market.bundle))
        key = (market.bundle.sha256, "AAA")
        calm, highest, found = [], 0.0, False
        for n, arrival in enumerate(arrivals(market.broken(100, 5.0))):
            step = engine.step(state, arrival)
            state = step.state
            book = state.books.get(key)
            if book is None or not isinstance(arrival.content, Bar) or arrival.content.symbol != "AAA":
                continue
            near = ratios(book.watch)  # type: ignore[arg-type]
            if "width" not in near:  # the watch begins with the second bar
                continue
            if n < 200:
                calm.append(near["width"])
            drifts = [json.loads(e.payload) for e in step.events if e.stream == TOPICS.drift]
            if any(one["channel"] == "width" for one in drifts):
                found = True
                assert near["width"] > 1
            highest = max(highest, near["width"])
        assert found
        assert highest > 1
        assert 0 <= min(calm) <= max(calm) < highest

    def test_a_watch_that_was_put_away_tells_the_same(self, market: TestMarket) -> None:
        step = Engine(Lineup(market.bundle)).run(State(), arrivals(market.bars(120)))
        watch = step.state.books[market.bundle.sha256, "AAA"].watch
        assert watch is not None
        running = Nearness().of("AAA", market.bundle, watch)
        assert set(running) <= set(CHANNELS)
        assert "width" in running
        stored = json.loads(json.dumps(watch.to_json()))  # type: ignore[union-attr]
        assert Nearness().of("AAA", market.bundle, stored) == running

    def test_no_watch_tells_nothing(self, market: TestMarket) -> None:
        assert Nearness().of("AAA", market.bundle, None) == {}
        assert Nearness().of("AAA", market.bundle, {"schema": "of another release"}) == {}


def test_only_standings_that_changed_are_told_again(market: TestMarket) -> None:
    events = Engine(Lineup(market.bundle)).run(State(), arrivals(market.bars(60))).events
    board = Scoreboard()
    board.add(outcomes(events, 42))
    assert [(s, h) for s, h, _ in board.news()] == [("AAA", 42), ("BBB", 42)]
    assert list(board.news()) == []
    board.add(outcomes(events, 48)[:1])
    assert [(s, h) for s, h, _ in board.news()] == [("AAA", 48)]


def scraped(worker: ServedWorker) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of one scrape, read by Prometheus' own parser."""
    status, body = worker.get("/metrics")
    assert status == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


@pytest.fixture
def served(embedded_url: str, market: TestMarket, tmp_path: Path) -> Iterator[tuple[Any, ServedWorker]]:
    # A lease that a busy machine does not outlast.
    more = {
        "BANDS_LOG__FORMAT": "json",
        "BANDS_LOG__LEVEL": "DEBUG",
        "BANDS_WORKER__LEASE_TTL_MS": "120000",
    }
    with ServedWorker(embedded_url, tmp_path, market.folder, **more) as worker:
        worker.wait_ready()
        yield Redis.from_url(embedded_url), worker


def test_a_scrape_tells_all_of_a_worker_and_its_log_names_the_entries(
    served: tuple[Any, ServedWorker], market: TestMarket
) -> None:
    client, worker = served
    before = scraped(worker)
    zeros = [name for (name, _), at in before.items() if name == "bands_dead_letters_total" and at == 0]
    assert len(zeros) == 9, "expected every reason at 0 from the start"
    feed = Feed(worker_url(client), market.bars(70))
    feed.push(140)
    bad = client.xadd(TOPICS.bars, {"data": "{"}).decode()
    wait_in_effect(client, bad)
    wait_until(
        lambda: scraped(worker).get(("bands_outcomes_resolved", (("horizon", "T60"), ("symbol", "AAA")))),
        "outcomes are scored",
    )
    # A commit is in effect on the server before its worker has heard of it, counted and told it.
    refusals = (("reason", "invalid_bar"),)
    wait_until(lambda: scraped(worker)["bands_dead_letters_total", refusals] == 1, "the refusal is counted")
    wait_until(lambda: any(one.get("reason") == "invalid_bar" for one in logged(worker)), "it is told")
    told = scraped(worker)

    def of(name: str, **labels: str) -> float:
        return told[name, tuple(sorted(labels.items()))]

    assert of("bands_bars_total", origin="live") == 140
    assert of("bands_bars_total", origin="refused") == 1
    assert of("bands_records_total", horizon="T42", status="band", reason="") == 140
    assert of("bands_dead_letters_total", reason="invalid_bar") == 1
    assert of("bands_end_to_end_seconds_count") == 140
    assert of("bands_server_up") == of("bands_lease_held") == of("bands_ready") == 1
    assert of("bands_reader_silence_seconds") < 30
    assert 2e7 < of("bands_memory_bytes") < 5e8
    assert of("bands_drift_ratio", symbol="AAA", channel="width") >= 0
    assert of("bands_drift_findings_total", symbol="AAA", channel="width") >= 0
    assert 0 <= of("bands_coverage", symbol="BBB", horizon="T42", interval="90") <= 1
    last = market.bars(70)[-1].candle.open_time + BAR_SECONDS
    assert of("bands_symbol_newest_bar_close_seconds", symbol="AAA") == last
    trained = market.training["AAA"].open_time[TRAINING_BARS - 1] + BAR_SECONDS
    assert of("bands_bundle_trained_until_seconds", role="champion") == trained

    lines = logged(worker)
    committed = [one for one in lines if one["logger"] == "worker.partition" and "entry" in one]
    assert {one["entry"] for one in committed} >= {bad}
    for one in committed:
        assert (one["service"], one["partition"]) == ("worker", 0)
        assert one["lease"].startswith("1:")
    (refused,) = [one for one in lines if one.get("reason") == "invalid_bar"]
    assert (refused["entry"], refused["level"]) == (bad, "WARNING")


def logged(worker: ServedWorker) -> list[dict[str, Any]]:
    """Every whole line of its log."""
    return [json.loads(line) for line in worker.told().splitlines(keepends=True) if line.endswith("\n")]


def worker_url(client: Any) -> str:
    """The URL a client was made from."""
    kwargs = client.connection_pool.connection_kwargs
    return f"redis://{kwargs['host']}:{kwargs['port']}" if "host" in kwargs else f"unix://{kwargs['path']}"
