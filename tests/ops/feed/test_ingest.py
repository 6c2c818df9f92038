"""`bands ingest --exchange`: history by pages, whole, resumable, and honest about holes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts.errors import BadInputError
from contracts.model.grid import BAR_SECONDS
from offline.ingest import read_bars
from ops.cli.app import app
from ops.embedded import free_port
from ops.feed.download import Download
from ops.feed.exchange import Exchange
from ops.mock_exchange import Faults, FaultSpec, Market, MarketClock, MockExchange
from tests.ops.feed.rig import PAIRS, START, at, histories

N_BARS = 3_000
NOW = at(2_500) + 3_600


def exchange_with(*faults: str) -> MockExchange:
    specs = map(FaultSpec.parse, faults)
    return MockExchange(Market(histories(N_BARS), MarketClock(NOW, speed=0), Faults(specs, 2)))


@pytest.fixture
def exchange() -> Iterator[MockExchange]:
    with exchange_with() as running:
        yield running


def ingest(folder: Path, base_url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops.cli", "ingest", "--base-url", base_url, *words]
    env = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=env)


def ingest_here(folder: Path, base_url: str, *words: str, patch: pytest.MonkeyPatch) -> Result:
    """The same without a process."""
    for name in list(os.environ):
        if name.startswith("BANDS_"):
            patch.delenv(name)
    patch.chdir(folder)
    return CliRunner().invoke(app, ["ingest", "--base-url", base_url, *words])


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_history_of_several_markets_with_its_gaps(tmp_path: Path) -> None:
    with exchange_with("missing=0.01", "http500=0.1") as exchange:
        words = ("--exchange", "bitstamp", "--symbol", *PAIRS, "--since", "2023-11-01", "--json")
        told = answer(ingest(tmp_path, exchange.url, *words))
        for report, symbol in zip(told, ("BTCUSDT", "ETHUSDT"), strict=True):
            history, _ = read_bars(tmp_path / "var" / "bars" / f"{symbol}_4h.parquet")
            truth = exchange.market.truth(symbol, NOW)
            assert history.candles() == truth
            assert report["missing_bars"] == 2_500 - len(truth) > 0
            assert report["here_before"] == 0
        again = answer(ingest(tmp_path, exchange.url, *words))
        assert [report["here_before"] for report in again] == [report["bars"] for report in told]


@pytest.mark.parametrize("dialect", ["binance", "bitstamp"])
async def test_a_download_that_was_stopped_goes_on(
    dialect: str, exchange: MockExchange, tmp_path: Path
) -> None:
    source = Exchange(dialect, base_url=exchange.url)
    (one,) = await source.open(("BTC/USDT",))
    seen: list[int] = []
    download = Download(tmp_path, dialect, one)

    def stop_early(what: str, done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 3:
            task.cancel()

    task = asyncio.create_task(download.run(source, START, None, "raise", stop_early))
    with pytest.raises(asyncio.CancelledError):
        await task
    asked = exchange.requests
    here = len(read_bars(download.file, "BTCUSDT").history)
    assert 1_000 <= here < 2_500
    resumed = Download(tmp_path, dialect, one)
    assert await resumed.run(source, START, None, "raise", lambda *_: None) == here
    assert exchange.requests - asked < asked
    assert read_bars(download.file, "BTCUSDT").history.candles() == exchange.market.truth("BTCUSDT", NOW)
    exchange.market.clock.set(NOW + 10 * BAR_SECONDS)
    assert await Download(tmp_path, dialect, one).run(source, START, None, "raise", lambda *_: None) == 2_500
    assert len(read_bars(download.file, "BTCUSDT").history) == 2_510
    await source.close()


async def test_an_earlier_time_is_downloaded_anew(exchange: MockExchange, tmp_path: Path) -> None:
    source = Exchange("binance", base_url=exchange.url)
    (one,) = await source.open(("BTC/USDT",))
    for since in (2_000, 1_000):
        download = Download(tmp_path, "binance", one)
        before = await download.run(source, START + since * BAR_SECONDS, None, "raise", lambda *_: None)
        assert before == 0
        assert len(read_bars(download.file, "BTCUSDT").history) == 2_500 - since
    await source.close()


async def test_half_candles_are_refused_or_left_out_as_asked(tmp_path: Path) -> None:
    with exchange_with(f"partial=0.001:{10**9}") as exchange:
        source = Exchange("binance", base_url=exchange.url)
        (one,) = await source.open(("BTC/USDT",))
        strict = Download(tmp_path, "binance", one)
        with pytest.raises(BadInputError, match=r"expected a finite close.*--on-bad drop"):
            await strict.run(source, START, None, "raise", lambda *_: None)
        loose = Download(tmp_path, "binance", one)
        await loose.run(source, START, None, "drop", lambda *_: None)
        assert len(loose) + len(loose.refused) == 2_500
        assert 0 < len(loose.refused) < 20
        await source.close()


def test_until_and_since_cut_the_bars(
    exchange: MockExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--exchange", "binance", "--symbol", "BTC/USDT", "--since", "2024-02-01", "--json")
    words += ("--until", "2024-03-01")
    told = json.loads(ingest_here(tmp_path, exchange.url, *words, patch=monkeypatch).stdout)
    assert (told[0]["first_open_time"], told[0]["last_open_time"]) == (
        "2024-02-01T00:00:00Z",
        "2024-02-29T20:00:00Z",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--exchange", "binance", "--symbol", "BTC/USTD"), "BTC/USDT"),
        (("--exchange", "binanze", "--symbol", "BTC/USDT"), "binance"),
        (("--exchange", "binance"), "--symbol BTC/USD"),
        ((), "either --bars or --exchange"),
    ],
)
def test_what_can_not_be_downloaded_is_told(
    words: tuple[str, ...],
    told: str,
    exchange: MockExchange,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = ingest_here(tmp_path, exchange.url, *words, patch=monkeypatch)
    assert done.exit_code == 3
    assert told in " ".join(done.output.split())


def test_an_exchange_that_can_not_be_reached_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--exchange", "binance", "--symbols", "BTC/USDT")
    done = ingest_here(tmp_path, f"http://127.0.0.1:{free_port()}", *words, patch=monkeypatch)
    assert done.exit_code == 4
    assert "see that this machine reaches it" in " ".join(done.output.split())
