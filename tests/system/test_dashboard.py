"""The dashboard in a real browser: `bands dashboard`, a real server, a real worker, headless Chromium."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from redis import Redis

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, iso
from contracts.topics import Topics
from offline.ingest import write_bars
from offline.retrain import archive_folder
from ops.dashboard.process import DashboardProcess
from ops.dashboard.screenshots import browser, wait_drawn
from tests.behaviour.harness import STEADY, Feed, ServedWorker, wait_in_effect, wait_until
from tests.market import TestMarket
from tests.ops.dashboard import records
from tests.servers import ServerProcess

pytestmark = pytest.mark.slow
TOPICS = Topics()
PASSWORD = "a-long-enough-secret"
VIEWS = ("/", "/calibration", "/alerts", "/releases", "/status")


@pytest.fixture
def chromium() -> Iterator[Any]:
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("chromium and chromedriver are not on PATH")
    driver = browser((1280, 800))
    yield driver
    driver.quit()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess("valkey", tmp_path / "server", appendfsync="always")
    made.start()
    yield made
    made.stop()


def page(folder: Path, url: str, *words: str, worker: int | None = None, **more: str) -> DashboardProcess:
    env = {
        "BANDS_WORKSPACE": str(folder / "var"),
        "BANDS_REDIS__URL": url,
        "BANDS_DASHBOARD__WORKERS": f"http://127.0.0.1:{worker}" if worker else "none",
        "BANDS_DASHBOARD__RETRAINER": "none",
        "BANDS_DASHBOARD__FEED": "none",
        "BANDS_DASHBOARD__POLL_S": "0.5",
    }
    return DashboardProcess(folder / "dashboard.log", {**env, **more}, *words)


def text(driver: Any, where: str = "body") -> str:
    return str(driver.execute_script(f"return (document.querySelector('{where}') || {{}}).innerText || ''"))


def seen(driver: Any, words: str, where: str = "body") -> Callable[[], bool]:
    return lambda: words in text(driver, where)


def newest_shown(driver: Any) -> int:
    """The time of the newest candle, epoch seconds."""
    script = """
    const plot = document.querySelector('#bands-graph .js-plotly-plot');
    const candles = plot && plot.data && plot.data.find(t => t.type === 'candlestick');
    return candles ? Math.max(...candles.x) / 1000 : 0"""
    return int(driver.execute_script(script))


def epoch(told: Any) -> float:
    """An end of a time axis, which Plotly keeps as a number or as text."""
    if isinstance(told, str):
        return datetime.fromisoformat(told).replace(tzinfo=UTC).timestamp()
    return float(told) / 1_000


def asked_for(driver: Any) -> set[str]:
    """The hosts of every request the browser has made."""
    hosts = set()
    for line in driver.get_log("performance"):
        message = json.loads(line["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = urlsplit(message["params"]["request"]["url"])
            if url.scheme not in ("data", "blob", "about", "chrome"):
                hosts.add(url.netloc)
    return hosts


def complaints(driver: Any) -> list[str]:
    return [line["message"] for line in driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]


def test_it_shows_the_fan_follows_the_bars_and_tells_an_outage(
    chromium: Any, server: ServerProcess, market: TestMarket, tmp_path: Path
) -> None:
    client: Any = server.client()
    feed = Feed(server.url, market.bars(200))
    with (
        ServedWorker(server.url, tmp_path, market.folder, **STEADY) as worker,
        page(tmp_path, server.url, worker=worker.port) as dashboard,
    ):
        chromium.get(dashboard.url)
        wait_until(seen(chromium, "Nothing to show yet"), "an empty page says so")
        worker.wait_ready()
        feed.push(390)
        wait_in_effect(client, feed.last)
        before = int(feed.bars[feed.sent - 1].open_time.timestamp()) + BAR_SECONDS
        wait_until(lambda: newest_shown(chromium) == before, "all of it is drawn, not what came first")
        wait_until(seen(chromium, "AAA closed at"), "the bands are told too")
        wait_drawn(chromium)

        def names() -> list[str]:
            drawn = "return document.querySelector('#bands-graph .js-plotly-plot').data.map(t => t.name)"
            found: list[str] = chromium.execute_script(drawn)
            return found

        newest = "newest bands"
        wait_until(lambda: sum(name.startswith(newest) for name in names()) == 1, "the bands are drawn")
        assert {"T42", "T48", "T54", "T60"} <= set(names())
        assert any(name.startswith("bands issued 7 days before") for name in names())
        wait_until(seen(chromium, "ends at", "#banners"), "bars of 2020 are not passed off as live")

        zoomed = """
        const plot = document.querySelector('#bands-graph .js-plotly-plot');
        const end = new Date(Math.max(...plot.data.find(t => t.type === 'candlestick').x));
        const from = new Date(end - 8 * 864e5), to = new Date(+end + 8 * 864e5);
        window.Plotly.relayout(plot, {'xaxis.range[0]': from.toISOString().slice(0, 19),
                                      'xaxis.range[1]': to.toISOString().slice(0, 19)})"""
        chromium.execute_script(zoomed)
        shown = "return document.querySelector('#bands-graph .js-plotly-plot').layout.xaxis.range"
        zoom = [epoch(end) for end in chromium.execute_script(shown)]
        feed.push(2)
        wait_until(lambda: newest_shown(chromium) == before + BAR_SECONDS, "the bar is drawn")
        assert [epoch(end) for end in chromium.execute_script(shown)] == zoom, "the zoom is kept"
        assert zoom[1] - zoom[0] == 16 * 86_400

        assert complaints(chromium) == [], dashboard.told()[-6_000:]
        server.kill9()
        wait_until(seen(chromium, "The server that holds the streams is down", "#banners"), "the outage")
        assert newest_shown(chromium) == before + BAR_SECONDS, "what is known stays"
        wait_until(seen(chromium, "The worker is not ready", "#banners"), "the worker's own word")
        server.start()
        wait_until(lambda: "is down" not in text(chromium, "#banners"), "it is over")
        worker.wait_ready()
        feed.push(2)
        wait_until(lambda: newest_shown(chromium) == before + 2 * BAR_SECONDS, "bars are followed again")

        assert worker.stop() == 0
        wait_until(seen(chromium, "no bands are issued", "#banners"), "a worker that is gone")
        assert asked_for(chromium) == {f"127.0.0.1:{dashboard.port}"}, "no request leaves the machine"
        dashboard.stop()
        wait_until(seen(chromium, "The dashboard does not answer", "#away"), "the page tells its own end")
        dashboard.start()
        wait_until(lambda: text(chromium, "#away") == "", "and comes back by itself")
        wait_until(lambda: newest_shown(chromium) == before + 2 * BAR_SECONDS, "with what it showed")


def test_every_view_is_drawn_without_a_complaint_and_without_leaving_the_machine(
    chromium: Any, embedded_url: str, tmp_path: Path
) -> None:
    client: Any = Redis.from_url(embedded_url)
    pipe = client.pipeline(transaction=False)
    closes = records.walk(700)
    for bar in records.bars("AAA", closes):
        pipe.xadd(TOPICS.bars, {"data": bar.to_wire()})
    for horizon in HORIZONS:
        for band in records.bands("AAA", closes, horizon):
            pipe.xadd(TOPICS.bands(horizon), {"data": band.to_wire()})
        for outcome in records.outcomes("AAA", closes, horizon, shadow=1.2):
            pipe.xadd(TOPICS.outcomes(horizon), {"data": outcome.to_wire()})
    pipe.xadd(TOPICS.drift, {"data": records.alert().to_wire()})
    swap = {"after": "", "label": records.CHAMPION, "challenger": {"label": records.CHALLENGER}, "share": 0.0}
    pipe.xadd(TOPICS.swaps, {"data": json.dumps(swap)})
    pipe.execute()
    with page(tmp_path, embedded_url) as dashboard:
        for path in VIEWS:
            chromium.get(dashboard.url + path)
            wait_drawn(chromium)
            wide = chromium.execute_script(
                "return document.documentElement.scrollWidth <= window.innerWidth + 1"
            )
            assert wide, f"{path} is wider than the window"
            titles = chromium.execute_script(
                "return [...document.querySelectorAll('.modebar-btn')].map(b => b.dataset.title)"
            )
            assert not [title for title in titles if "loud" in title or "tudio" in title]
        assert complaints(chromium) == [], dashboard.told()[-6_000:]
        assert asked_for(chromium) == {f"127.0.0.1:{dashboard.port}"}
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for path in VIEWS:
            chromium.get(dashboard.url + path)
            wait_drawn(chromium)
            width = chromium.execute_script("return document.documentElement.scrollWidth")
            assert width <= 391, f"{path} is {width} points wide on a phone"


def test_elsewhere_it_asks_who_is_there(chromium: Any, embedded_url: str, tmp_path: Path) -> None:
    with page(tmp_path, embedded_url, "--host", "0.0.0.0", BANDS_DASHBOARD__PASSWORD=PASSWORD) as dashboard:
        chromium.get(dashboard.url + "/calibration")
        assert chromium.current_url.endswith("/login")
        chromium.find_element("id", "password").send_keys("a-wrong-secret")
        chromium.find_element("css selector", "button").click()
        wait_until(seen(chromium, "Wrong password"), "the refusal")
        chromium.find_element("id", "password").send_keys(PASSWORD)
        chromium.find_element("css selector", "button").click()
        wait_until(seen(chromium, "Sign out"), "the page behind the login")
        chromium.find_element("css selector", ".top form button").click()
        wait_until(lambda: chromium.current_url.endswith("/login"), "signed out")
        assert PASSWORD not in dashboard.told()


SYMBOLS = tuple(f"COIN{n:02d}" for n in range(20))
YEARS = 5
FILLED_BARS = 2_400
"""Records of each symbol and horizon: what a stream of the default length holds of 20 symbols."""


def test_five_years_of_twenty_symbols_are_served_small_and_their_times_told(
    chromium: Any, embedded_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    sent = fill_wide(embedded_url, tmp_path / "var", FILLED_BARS)
    told = {"entries": f"{sent:,}", "written in": f"{time.monotonic() - begun:.0f} s"}
    with page(tmp_path, embedded_url) as dashboard:
        begun = time.monotonic()
        chromium.get(dashboard.url)
        wait_until(seen(chromium, "COIN00 closed at"), "the first sentence", 120)
        wait_drawn(chromium)
        told["first picture after a cold start"] = f"{time.monotonic() - begun:.1f} s"
        wait_until(lambda: "still being read" not in text(chromium, "#banners"), "all is read", 300)
        told["everything read after"] = f"{time.monotonic() - begun:.0f} s"
        begun = time.monotonic()
        chromium.get(dashboard.url)
        wait_until(seen(chromium, "COIN00 closed at"), "the sentence")
        wait_drawn(chromium)
        told["page load"] = f"{time.monotonic() - begun:.1f} s"
        times, sizes = [], []
        for far in ("90", "1830"):
            for symbol in SYMBOLS[:5]:
                spent, size = figure_of(dashboard, symbol, far)
                times.append(spent)
                sizes.append(size)
        told["bands view, median and worst"] = f"{1e3 * np.median(times):.0f}, {1e3 * max(times):.0f} ms"
        told["its largest answer"] = f"{max(sizes) / 1e3:.0f} kB"
        told["memory"] = f"{dashboard.memory_mb():.0f} MB"
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(f"{name}: {value}" for name, value in told.items()) + "\n")
    assert max(sizes) < 1_000_000


def figure_of(dashboard: DashboardProcess, symbol: str, far: str) -> tuple[float, int]:
    """Seconds and bytes of one answer of the bands view."""
    outputs = ["bands-graph.figure", "bands-words.children", "bands-table.children"]
    ids = [dict(zip(("id", "property"), one.split("."), strict=True)) for one in outputs]
    body = {
        "output": f"..{'...'.join(outputs)}..",
        "outputs": ids,
        "inputs": [
            {"id": "version", "property": "data", "value": {"v": 0, "at": 0}},
            {"id": "bands-window", "property": "data", "value": {"x": None, "rev": 0}},
            {"id": "bands-horizon", "property": "value", "value": 42},
        ],
        "state": [
            {"id": "bands-symbol", "property": "value", "value": symbol},
            {"id": "bands-range", "property": "value", "value": far},
        ],
        "changedPropIds": ["version.data"],
    }
    begun = time.perf_counter()
    answer = httpx.post(f"{dashboard.url}/_dash-update-component", json=body, timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - begun, len(answer.content)


def fill_wide(url: str, workspace: Path, count: int) -> int:
    """Five years of bars in the archive, and `count` records of every symbol and horizon on the server."""
    end = int(time.time()) // BAR_SECONDS * BAR_SECONDS
    total = YEARS * 2_190
    client: Any = Redis.from_url(url)
    closes = {symbol: records.walk(total, seed=n) for n, symbol in enumerate(SYMBOLS)}
    opened = end - BAR_SECONDS * np.arange(total, 0, -1)
    for symbol, close in closes.items():
        before = np.concatenate([close[:1], close[:-1]])
        low, high = 0.998 * np.minimum(before, close), 1.002 * np.maximum(before, close)
        history = History(symbol, opened, before, high, low, close, np.ones(total))
        write_bars(history, archive_folder(workspace) / f"{symbol}.parquet")
    sent = 0
    for horizon in HORIZONS:
        shape = records.band("SYMBOL", horizon, end, 777.0).to_wire().decode()
        for n in range(total - count, total):
            pipe = client.pipeline(transaction=False)
            at = end - (total - 1 - n) * BAR_SECONDS
            for symbol in SYMBOLS:
                wire = shape
                stamps = {end: at, end - BAR_SECONDS: at - BAR_SECONDS}
                stamps[end + horizon * BAR_SECONDS] = at + horizon * BAR_SECONDS
                for old, new in stamps.items():
                    wire = wire.replace(iso(old), iso(new) + "!")
                wire = wire.replace("!", "").replace('"SYMBOL"', f'"{symbol}"')
                wire = wire.replace('"ref_price":777.0', f'"ref_price":{float(closes[symbol][n])!r}')
                pipe.xadd(TOPICS.bands(horizon), {"data": wire})
                pipe.xadd(TOPICS.outcomes(horizon), {"data": outcome_wire(symbol, horizon, at)})
                sent += 2
            pipe.execute()
    return sent


def outcome_wire(symbol: str, horizon: int, at: int) -> str:
    issued = at - horizon * BAR_SECONDS
    hit = (at // BAR_SECONDS) % 10 != 0
    return (
        f'{{"schema":"outcome/1","status":"resolved","symbol":"{symbol}","horizon_bars":{horizon},'
        f'"issued_at":"{iso(issued)}","target_time":"{iso(at)}","bundle":"{records.CHAMPION}",'
        f'"origin":"live","realised":0.01,"hit_90":{str(hit).lower()},"hit_50":{str(at % 2 == 0).lower()},'
        f'"pinball":0.02,"pit":{(at // BAR_SECONDS) % 97 / 97},"winkler_90":0.3,"winkler_50":0.2}}'
    )
