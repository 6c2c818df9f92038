"""Promise 6: a replay of history equals what was emitted live, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from contracts.events import Bar
from contracts.model.grid import HORIZONS
from ops.replay import Replay, Replayed, merge_bars
from ops.session import fresh_session
from ops.settings import Settings
from tests.behaviour.harness import Truth
from tests.market import TestMarket


def by_horizon(records: Sequence[bytes]) -> dict[int, list[bytes]]:
    """Streams are read together: only the order within each of them is the worker's."""
    return {h: [r for r in records if f'"horizon_bars":{h},'.encode() in r] for h in HORIZONS}


def run_fresh(
    folder: Path, market: TestMarket, runs: Sequence[Sequence[Bar]], *, one_by_one: bool = False
) -> Replayed:
    """Everything that one fresh session says to `runs`, one after another."""
    whole = Replayed()
    with fresh_session(folder, Settings(workspace=folder), bundle=market.folder) as session:
        with closing(Replay(session.server.url)) as replay:
            for bars in runs:
                part = replay.run(bars, one_by_one=one_by_one)
                whole.records += part.records
                whole.dead += part.dead
                whole.latencies_s += part.latencies_s
                whole.pushed += part.pushed
        assert session.worker.stop() == 0
    return whole


def test_twice_the_same_bytes_and_those_of_the_engine(market: TestMarket, tmp_path: Path) -> None:
    bars = merge_bars(market.live.values())
    first = run_fresh(tmp_path / "first", market, [bars])
    second = run_fresh(tmp_path / "second", market, [bars])
    assert first.pushed == len(bars)
    assert len(first.records) == len(bars) * len(HORIZONS)
    assert by_horizon(first.records) == by_horizon(second.records)
    assert first.dead == second.dead == []
    truth = Truth.of(market.bundle, bars)
    assert by_horizon(first.records) == {h: truth.streams[f"bands.T{h}"] for h in HORIZONS}


def test_replayed_history_equals_what_was_said_in_small_live_steps(
    market: TestMarket, tmp_path: Path
) -> None:
    bars = merge_bars(market.live.values(), origin="live")
    assert bars == market.bars()
    rng = random.Random(6)
    steps, at = [], 0
    while at < len(bars):
        size = rng.choice([1, 1, 2, 2, 7, 40])
        steps.append(bars[at : at + size])
        at += size
    live = run_fresh(tmp_path / "live", market, steps)
    replayed = run_fresh(tmp_path / "replayed", market, [bars])
    assert by_horizon(live.records) == by_horizon(replayed.records)
    assert len(live.records) == len(bars) * len(HORIZONS)


def test_one_by_one_measures_every_bar(market: TestMarket, tmp_path: Path) -> None:
    bars = market.bars(30)
    slow = run_fresh(tmp_path / "slow", market, [bars], one_by_one=True)
    assert len(slow.latencies_s) == len(bars)
    assert all(0 < latency < 30 for latency in slow.latencies_s)
    truth = Truth.of(market.bundle, bars)
    assert by_horizon(slow.records) == {h: truth.streams[f"bands.T{h}"] for h in HORIZONS}
