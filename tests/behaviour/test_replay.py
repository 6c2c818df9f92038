"""Promise 6: a replay of history equals what was emitted live, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from redis import Redis
from typer.testing import CliRunner

from contracts.events import Bar
from contracts.model.grid import HORIZONS
from offline.ingest import write_bars
from ops.audit import collect, retell
from ops.cli.app import app
from ops.replay import Replay, Replayed, merge_bars
from ops.session import fresh_session
from ops.settings import Settings
from tests.behaviour.harness import TOPICS, ServedWorker, Truth, payloads
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
                whole.outcomes += part.outcomes
                whole.shadow += part.shadow
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
    assert by_horizon(first.outcomes) == by_horizon(second.outcomes)
    assert by_horizon(first.outcomes) == {h: truth.streams[f"outcomes.T{h}"] for h in HORIZONS}
    assert first.shadow == []


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
    assert by_horizon(live.outcomes) == by_horizon(replayed.outcomes)
    assert len(live.outcomes) == sum(len(bars) - 2 * h for h in HORIZONS)
    assert len(live.records) == len(bars) * len(HORIZONS)


def test_one_by_one_measures_every_bar(market: TestMarket, tmp_path: Path) -> None:
    bars = market.bars(30)
    slow = run_fresh(tmp_path / "slow", market, [bars], one_by_one=True)
    assert len(slow.latencies_s) == len(bars)
    assert all(0 < latency < 30 for latency in slow.latencies_s)
    truth = Truth.of(market.bundle, bars)
    assert by_horizon(slow.records) == {h: truth.streams[f"bands.T{h}"] for h in HORIZONS}


def test_recorded_swaps_are_obeyed_when_it_is_told_again(
    market: TestMarket, rival_market: TestMarket, embedded_url: str, tmp_path: Path
) -> None:
    """Champion, challenger in shadow, promotion: the same bars and records of swaps give the same bytes."""
    bars, folders = market.bars(100), (market.folder, rival_market.folder)
    lineups = [(folders[0], None), (folders[0], folders[1]), (folders[1], folders[0])]
    live = Replayed()
    for (champion, challenger), start in zip(lineups, (0, 70, 140), strict=True):
        worker = ServedWorker(embedded_url, tmp_path, champion, BANDS_WORKER__LEASE_TTL_MS="10000")
        if challenger is not None:
            worker._command += ["--challenger", str(challenger)]
        with worker, closing(Replay(embedded_url)) as replay:
            worker.wait_ready()
            part = replay.run(bars[start : start + 70])
            live.records += part.records
            live.outcomes += part.outcomes
            live.shadow += part.shadow
            assert worker.stop() == 0
    with closing(Redis.from_url(embedded_url)) as client:
        entries = [(entry.decode(), fields) for entry, fields in client.xrange(TOPICS.bars)]
        swaps = [payload.decode() for payload in payloads(client, TOPICS.swaps)]
        state = {name.decode(): blob for name, blob in client.hgetall(TOPICS.state).items()}
    bundles = {one.bundle.sha256: one.bundle for one in (market, rival_market)}
    told = collect(retell(entries, swaps, bundles, TOPICS))
    assert len(swaps) == 3
    for horizon in HORIZONS:
        assert by_horizon(live.records)[horizon] == told.streams[f"bands.T{horizon}"]
        assert by_horizon(live.outcomes)[horizon] == told.streams[f"outcomes.T{horizon}"]
        assert by_horizon(live.shadow)[horizon] == told.streams[f"shadow.T{horizon}"]
    assert len(live.shadow) == 4 * 130
    assert told.fields == state


def test_a_running_worker_that_knows_no_bar_yet_is_not_flooded_with_its_own_past(
    embedded_url: str, market: TestMarket, tmp_path: Path
) -> None:
    write_bars(market.training["AAA"], tmp_path / "sim_AAA_4h.parquet")
    words = ["replay", "--bars", str(tmp_path / "sim_AAA_4h.parquet"), "--redis-url", embedded_url]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 3
    assert "expected --since" in " ".join(done.output.split())
    with Redis.from_url(embedded_url) as client:
        assert not client.exists("bars.4h")
