"""The audit: everything served is recomputed byte for byte, and whatever was tampered with is named."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.events import Bar
from contracts.model.candle import History as Bars
from contracts.model.grid import HORIZONS, close_time, iso
from contracts.model.snapshot import dump_symbol, load_symbol
from contracts.topics import Topics
from offline.ingest import write_bars
from ops.audit import MissingBundleError, collect, retell, streams_of
from ops.audit import look_ahead as look_ahead_module
from ops.audit.audit import Audited, Depth, audit
from ops.audit.batch import Rows, Stretches, fold_rows
from ops.audit.bundles import find_folders
from ops.audit.served import Kept, Served, output_names, read_served
from ops.cli import audit as command
from ops.settings import Settings
from tests.market import SYMBOLS, TestMarket, bar_of
from tests.ops.audited import FIRST, SECOND, THIRD, Change, History, rewritten, served_history
from worker.lineup import Lineup

pytestmark = pytest.mark.xdist_group("audit")

TOPICS = Topics()
QUICK = Depth(cuts=0, starts=0)


@pytest.fixture(scope="module")
def history(
    tmp_path_factory: pytest.TempPathFactory, market: TestMarket, rival_market: TestMarket
) -> Iterator[History]:
    with served_history(tmp_path_factory.mktemp("history"), market, rival_market) as served:
        yield served


@pytest.fixture(scope="module")
def folders(history: History) -> dict[str, Path]:
    return find_folders(Settings(workspace=history.folder / "var"), history.bundles)


@pytest.fixture(scope="module")
def files(market: TestMarket) -> list[Bars]:
    """Every bar of both symbols, those trained on included."""
    columns = ("open_time", "open", "high", "low", "close", "volume")
    return [
        Bars(
            s,
            *(np.concatenate((getattr(market.training[s], c), getattr(market.live[s], c))) for c in columns),
        )
        for s in SYMBOLS
    ]


def quickly(history: History, folders: dict[str, Path], files: list[Bars] | None = None) -> Audited:
    with history.client() as client:
        return audit(read_served(client, TOPICS), folders, files or (), QUICK)


def test_everything_served_is_recomputed_and_knew_no_future(
    history: History, folders: dict[str, Path], files: list[Bars]
) -> None:
    with history.client() as client:
        audited = audit(read_served(client, TOPICS), folders, files, Depth(cuts=2, starts=2))
    assert audited.differences == []
    assert audited.differing == 0
    assert not audited.unproven
    assert audited.swaps == 3
    found = {one.where: one for one in audited.compared}
    bars = 2 * (FIRST + SECOND + THIRD)
    for horizon in HORIZONS:
        assert found[f"bands.T{horizon}"].equal == bars + 1, "the unknown symbol was answered too"
        assert found[f"outcomes.T{horizon}"].equal == bars - 2 * horizon
        assert found[f"shadow.T{horizon}"].equal == 2 * SECOND
    assert found["bars.dead"].equal == 3
    assert found["worker.state"].equal >= 5
    proof = audited.proof
    assert proof.bands == 4 * (bars + 2 * SECOND)
    assert proof.rows == bars
    assert proof.cut_bands > 0
    assert proof.training_rows > bars / 2
    assert proof.training == ""
    warm = audited.warm_up
    assert warm.since[0] == 361
    assert warm.features is not None
    assert max(warm.features["autocorr_42"]) < 1e-12, "what only reads the ring forgets where it began"
    assert 0 < warm.features["rv_360"][-1] < warm.features["rv_360"][0]
    assert 0 < warm.sigma[-1] < 0.5
    assert 0 < warm.bands[-1] < 0.5


def first_entry(history: History, stream: str, nth: int) -> tuple[bytes, dict[bytes, bytes]]:
    with history.client() as client:
        entry: tuple[bytes, dict[bytes, bytes]] = client.xrange(stream, count=nth + 1)[nth]
        return entry


def changing(entry: bytes, change: Callable[[dict[str, Any]], None]) -> Change:
    """A change to the JSON of one entry."""

    def apply(found: bytes, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
        if found != entry:
            return fields
        told = json.loads(fields[b"data"])
        change(told)
        return {b"data": json.dumps(told, separators=(",", ":")).encode()}

    return apply


@pytest.mark.parametrize("stream", ["bands.T54", "shadow.T42"])
def test_a_tampered_record_is_named(history: History, folders: dict[str, Path], stream: str) -> None:
    entry, fields = first_entry(history, stream, 50)
    told = json.loads(fields[b"data"])

    def widen(record: dict[str, Any]) -> None:
        record["returns"]["q95"] += 1e-9

    with history.client() as client, rewritten(client, stream, changing(entry, widen)):
        audited = quickly(history, folders)
    assert audited.differing == 1
    (found,) = audited.differences
    assert (found.where, found.entry, found.field) == (stream, entry.decode(), "returns.q95")
    assert found.what == f"{told['symbol']} {told['open_time']}"
    assert found.recomputed == repr(told["returns"]["q95"]) != found.served


def test_records_altered_beyond_reading_are_named(history: History, folders: dict[str, Path]) -> None:
    with history.client() as client:
        for stream in ("bands.T42", "outcomes.T60", TOPICS.dead):
            entry, _ = first_entry(history, stream, 2)

            def ruin(found: bytes, fields: dict[bytes, bytes], entry: bytes = entry) -> dict[bytes, bytes]:
                return {b"data": b"{"} if found == entry else fields

            with rewritten(client, stream, ruin):
                found = quickly(history, folders).differences
            assert {one.where for one in found} == {stream}
            assert entry.decode() in {one.entry for one in found}


def test_a_dropped_and_a_forged_record_are_named(history: History, folders: dict[str, Path]) -> None:
    entry, fields = first_entry(history, "outcomes.T48", 20)
    told = json.loads(fields[b"data"])
    with history.client() as client:
        with rewritten(client, "outcomes.T48", lambda found, f: None if found == entry else f):
            (lost,) = quickly(history, folders).differences
        with rewritten(client, "outcomes.T48", lambda _, f: f):
            client.xadd("outcomes.T48", {"data": json.dumps({**told, "symbol": "CCC"})})
            (forged,) = quickly(history, folders).differences
    what = f"{told['symbol']} {told['issued_at']}"
    assert (lost.what, lost.served, lost.recomputed) == (what, "nothing", "a record")
    assert (forged.what, forged.served, forged.recomputed) == (
        f"CCC {told['issued_at']}",
        "a record",
        "nothing",
    )


def test_one_tampered_number_of_the_state_is_named(history: History, folders: dict[str, Path]) -> None:
    with history.client() as client:
        kept = client.hget(TOPICS.state, "BBB")
        fold = load_symbol(kept)
        fold.features.matrix[5, 3] += 1.0
        opened = iso(int(fold.features.matrix[0, 3]))
        client.hset(TOPICS.state, "BBB", dump_symbol(fold))
        try:
            audited = quickly(history, folders)
        finally:
            client.hset(TOPICS.state, "BBB", kept)
    assert audited.differing == 1
    fields = [one.field for one in audited.differences]
    assert {(one.where, one.what) for one in audited.differences} == {("worker.state", "BBB")}
    assert fields[0] == f"bar {opened} volume"
    assert "feature volume_z_42" in fields


@pytest.mark.parametrize("column", ["volume", "close"])
def test_one_tampered_bar_is_named(history: History, folders: dict[str, Path], column: str) -> None:
    entry, fields = first_entry(history, TOPICS.bars, 90)
    told = json.loads(fields[b"data"])

    def other(bar: dict[str, Any]) -> None:
        bar[column] = (bar["low"] + bar["high"]) / 2

    with history.client() as client, rewritten(client, TOPICS.bars, changing(entry, other)):
        audited = quickly(history, folders)
    in_state = [one for one in audited.differences if one.where == "worker.state"]
    assert f"bar {told['open_time']} {column}" in [one.field for one in in_state]
    if column == "close":
        first = audited.differences[0]
        assert (first.where, first.what) == ("bands.T42", f"{told['symbol']} {told['open_time']}")
        assert (first.field, first.served) == ("ref_price", repr(told["close"]))


def test_a_bundle_that_is_not_at_hand_is_named(history: History, folders: dict[str, Path]) -> None:
    sha256 = next(sha for sha, folder in folders.items() if folder == history.bundles[1])
    without = {sha: folder for sha, folder in folders.items() if sha != sha256}
    with pytest.raises(MissingBundleError, match=f"{sha256}.*--bundle"):
        quickly(history, without)


def test_bars_let_go_of_are_taken_from_files_or_nothing_is_claimed(
    history: History, folders: dict[str, Path], files: list[Bars]
) -> None:
    with history.client() as client:
        kept = client.dump(TOPICS.bars)
        client.xtrim(TOPICS.bars, maxlen=client.xlen(TOPICS.bars) - 21, approximate=False)
        try:
            without, whole = quickly(history, folders), quickly(history, folders, files)
            short = quickly(history, folders, [one.between(None, 1_598_000_000) for one in files])
        finally:
            client.restore(TOPICS.bars, 0, kept, replace=True)
    assert "nothing served from there on can be recomputed" in without.unproven
    assert "--bars" in without.unproven
    assert "the files lack" in short.unproven
    assert whole.differences == []
    assert not whole.unproven
    assert whole.from_files == 21


def as_served(bars: list[Bar], lineups: list[tuple[int, Lineup]], keep: int) -> Served:
    """What a server would hold: entries a second after each close, only the newest `keep` bars retained."""
    entries = [
        (f"{close_time(bar.candle.open_time) * 1_000 + 1_000}-{n}", {b"data": bar.to_wire()})
        for n, bar in enumerate(bars)
    ]
    swaps = tuple(lineup.record(entries[at - 1][0] if at else "") for at, lineup in lineups)
    bundles = {one.sha256: one for _, lineup in lineups for one in lineup.bundles}
    told = collect(retell(entries, swaps, bundles, TOPICS))
    outputs = {}
    for name in output_names(TOPICS):
        payloads = told.streams.get(name, [])
        outputs[name] = Kept(tuple((f"{n}-0", p) for n, p in enumerate(payloads, 1)), len(payloads))
    cursor, gone = entries[-1][0], len(entries) - keep
    return Served(TOPICS, cursor, tuple(entries[gone:]), gone, swaps, outputs, told.fields, dict(told.latest))


def test_swaps_among_bars_let_go_of_are_placed_by_time(
    market: TestMarket, rival_market: TestMarket, files: list[Bars]
) -> None:
    lineups = [(0, Lineup(market.bundle)), (40, Lineup(rival_market.bundle, market.bundle))]
    served = as_served(market.bars(45), lineups, keep=30)
    folders = {one.bundle.sha256: one.folder for one in (market, rival_market)}
    audited = audit(served, folders, files, QUICK)
    assert audited.differences == []
    assert (audited.from_files, audited.bars) == (60, 90)
    outputs = {name: Kept(kept.entries[-50:], kept.added) for name, kept in served.outputs.items()}
    trimmed = audit(replace(served, outputs=outputs), folders, files, QUICK)
    assert trimmed.differences == []
    assert {one.where: one.trimmed for one in trimmed.compared}["bands.T42"] == 40


def test_retelling_obeys_the_last_of_several_swaps(market: TestMarket, rival_market: TestMarket) -> None:
    bars = market.bars(20)
    entries = [(f"{n}-0", {b"data": bar.to_wire()}) for n, bar in enumerate(bars, 1)]
    first, second = Lineup(market.bundle), Lineup(rival_market.bundle)
    swaps = [first.record(""), second.record("10-0"), first.record("10-0"), second.record("25-0")]
    bundles = {one.bundle.sha256: one.bundle for one in (market, rival_market)}
    told = list(retell(entries, swaps, bundles, TOPICS))
    assert [one.lineup.champion for one in told] == [market.bundle] * 25 + [rival_market.bundle] * 15
    streams, state = streams_of(told)
    assert sum(map(len, streams.values())) == 4 * len(bars)
    assert state is told[-1].step.state
    alone = list(retell(entries[:25], swaps, {market.bundle.sha256: market.bundle}, TOPICS))
    assert [one.step.events for one in alone] == [one.step.events for one in told[:25]]
    with pytest.raises(MissingBundleError, match=rival_market.bundle.sha256):
        list(retell(entries, swaps, {market.bundle.sha256: market.bundle}, TOPICS))
    from_there = list(retell(entries[25:], swaps, bundles, TOPICS, start=told[24].step.state))
    assert [one.step.events for one in from_there] == [one.step.events for one in told[25:]]


def test_a_bar_not_yet_closed_is_refused_again(market: TestMarket) -> None:
    (bar,) = market.bars(1, symbols=("AAA",))
    early = f"{(close_time(bar.candle.open_time) - 60) * 1_000}-0"
    swaps, bundles = [Lineup(market.bundle).record("")], {market.bundle.sha256: market.bundle}
    (told,) = retell([(early, {b"data": bar.to_wire()})], swaps, bundles, TOPICS)
    assert [json.loads(event.payload)["reason"] for event in told.step.events] == ["not_closed"]


def test_rows_that_know_the_future_are_found_out(
    market: TestMarket, files: list[Bars], monkeypatch: pytest.MonkeyPatch
) -> None:
    served = as_served(market.bars(40), [(0, Lineup(market.bundle))], keep=80)

    def peeking(stretches: Stretches, bundles: Any) -> Iterator[tuple[int, Rows]]:
        for done, rows in fold_rows(stretches, bundles):
            last = stretches["BBB"][-1].candles[-1].close
            own = {t: row._replace(values=row.values + last) for t, row in rows.own["BBB"].items()}
            yield done, Rows({**rows.own, "BBB": own}, rows.context)

    monkeypatch.setattr(look_ahead_module, "fold_rows", peeking)
    proof = audit(served, {market.bundle.sha256: market.folder}, (), Depth(cuts=1, starts=0)).proof
    assert proof.differing
    assert {one.what.split()[0] for one in proof.differences if one.field == "features"} == {"BBB"}
    assert any(one.where.startswith("cut at ") for one in proof.differences)


def test_garbage_is_made_of_valid_bars() -> None:
    for candle in look_ahead_module.garbage(1_600_000_000 // 14_400 * 14_400, random.Random(1)):
        assert bar_of("AAA", candle).candle == candle


def test_the_command_tells_and_its_exit_code_means_it(
    history: History,
    files: list[Bars],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for one in files:
        write_bars(one, tmp_path / f"sim_{one.symbol}_4h.parquet")
    given = [str(word) for folder in history.bundles for word in ("--bundle", folder)]
    line = [sys.executable, "-m", "ops.cli", "audit", "--redis-url", history.url, *given]
    line += ["--bars", str(tmp_path), "--cuts", "1", "--starts", "1", "--out", "report.json"]
    equal = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert equal.returncode == 0, equal.stderr
    assert "worker.state" in equal.stdout
    assert json.loads((tmp_path / "report.json").read_text())["equal"]

    def run(url: str) -> int | str | None:
        with pytest.raises(SystemExit) as stopped:
            command.run(list(history.bundles), cuts=0, starts=0, redis_url=url, as_json=True)
        return stopped.value.code

    monkeypatch.chdir(tmp_path)
    entry = first_entry(history, "bands.T42", 7)[0]

    def change(record: dict[str, Any]) -> None:
        record["sigma"] = 0.5

    with history.client() as client, rewritten(client, "bands.T42", changing(entry, change)):
        assert run(history.url) == 1
    (partition,) = json.loads(capsys.readouterr().out)["partitions"]
    assert [one["field"] for one in partition["differences"]] == ["sigma"]
    assert run("redis://127.0.0.1:1") == 4
