"""The processes of a live-like system and the market they live on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from contracts.errors import UnavailableError
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, iso
from offline.market import MarketSpec, simulate
from ops.demo.demo import (
    DEFAULT_CUT,
    SIMULATED_BARS,
    SIMULATED_SEED,
    SIMULATED_START,
    SIMULATED_SYMBOLS,
)
from ops.demo.live.part import Part
from ops.embedded import EmbeddedServer, free_port
from ops.settings import Settings

BREAK_AFTER_BARS = 60
BREAK_FACTOR = 3.0
"""Ten days after the start volatility triples, for good: wild enough for an alert within a week or two."""

BACKFILL_DAYS = 40.0
"""Bars the bundle has not folded are not there; what it has folded is still in its ring of 360 bars."""

START_S = 120.0
HTTP = "http://127.0.0.1:{}"


@dataclass(frozen=True, slots=True)
class LiveSystem:
    """A running system. `url` is the server's, `dashboard` the page's, `parts` every process by name."""

    url: str
    dashboard: str
    parts: tuple[Part, ...]


def live_market() -> tuple[list[History], list[History]]:
    """The demo's market: what the bundle is trained on, and the whole with a break after the cut."""
    at = (DEFAULT_CUT - SIMULATED_START) // BAR_SECONDS + BREAK_AFTER_BARS
    market = simulate(
        MarketSpec(),
        SIMULATED_SYMBOLS,
        SIMULATED_BARS,
        SIMULATED_START,
        SIMULATED_SEED,
        breaks=[(at, BREAK_FACTOR)],
    )
    whole = list(market.histories.values())
    return [history.between(None, DEFAULT_CUT) for history in whole], whole


@contextmanager
def start_live(
    settings: Settings, bundle: Path, histories: Sequence[History], bars_per_second: float
) -> Iterator[LiveSystem]:
    """Start everything in order, each once the one before serves; all of it ends with the context.

    Raises:
        UnavailableError: a process ended, or does not serve in time.
    """
    folder = settings.workspace_path / "live"
    shutil.rmtree(folder, ignore_errors=True)
    bars = _write_bars(folder / "bars", histories)
    with ExitStack() as stack:
        url = stack.enter_context(EmbeddedServer(folder / "server")).url
        page = settings.dashboard.port
        parts = []
        for name, arguments, address, env in _commands(page, bars, bundle, histories, bars_per_second):
            shared = {"BANDS_REDIS__URL": url, "BANDS_WORKSPACE": str(folder)}
            part = Part(name, arguments, address, folder / f"{name}.log", {**shared, **env})
            stack.callback(part.stop)
            part.start()
            parts.append(part)
            _wait(part)
        yield LiveSystem(url, HTTP.format(page), tuple(parts))


def _commands(
    page: int, bars: Path, bundle: Path, histories: Sequence[History], bars_per_second: float
) -> Iterator[tuple[str, list[str], str, dict[str, str]]]:
    """Name, arguments, address and own variables of each process, in the order of their start."""
    exchange, worker, feed = free_port(), free_port(), free_port()
    speed = bars_per_second * BAR_SECONDS
    market = ["--bars", str(bars), "--start", iso(DEFAULT_CUT), "--speed", str(speed), "--fault", "late=0.05"]
    yield (
        "mock-exchange",
        [*market, "--port", str(exchange)],
        HTTP.format(exchange) + "/api/v3/time",
        {},
    )
    yield (
        "worker",
        ["--bundle", str(bundle), "--http-port", str(worker)],
        HTTP.format(worker) + "/ready",
        {},
    )
    symbols = [f"{h.symbol}={_base(h)}/USDT" for h in histories]
    source = ["--exchange", "binance", "--base-url", HTTP.format(exchange), "--symbols", *symbols]
    pace = ["--poll-s", str(0.25 / bars_per_second), "--backfill-days", str(BACKFILL_DAYS)]
    yield "feed", [*source, *pace, "--http-port", str(feed)], HTTP.format(feed) + "/ready", {}
    watched = {
        "BANDS_DASHBOARD__WORKERS": HTTP.format(worker),
        "BANDS_DASHBOARD__FEED": HTTP.format(feed),
        "BANDS_DASHBOARD__RETRAINER": "",
    }
    yield "dashboard", ["--port", str(page)], HTTP.format(page), watched


def _write_bars(folder: Path, histories: Sequence[History]) -> Path:
    folder.mkdir(parents=True)
    for history in histories:
        frame = pd.DataFrame(candle._asdict() for candle in history.candles())
        frame["open_time"] = pd.to_datetime(frame["open_time"], unit="s", utc=True)
        frame.to_parquet(folder / f"mock_{_base(history)}USDT_4h.parquet")
    return folder


def _base(history: History) -> str:
    return history.symbol.removeprefix("SIM")


def _wait(part: Part) -> None:
    deadline = time.monotonic() + START_S
    while not part.serves():
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"expected `bands {part.name}` to serve {part.page} within {START_S:.0f} s, found that it "
                f"does not; look at {part.log}"
            )
        time.sleep(0.1)
