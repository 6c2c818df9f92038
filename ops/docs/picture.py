"""The README's picture: bands of the demonstration, drawn by Plotly and photographed by chromium.

The market is simulated and everything has its seed, so that anyone can draw the same picture again.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from contracts.errors import UnavailableError
from contracts.events import Band
from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, close_time, iso
from ops.console import progress_bars
from ops.demo import run_demo
from ops.demo.chart import INTERVALS, LINE, MISS
from ops.demo.demo import simulated_histories
from ops.settings import Settings

WIDTH, HEIGHT, SCALE = 1_200, 560, 2
SHOWN_BARS = 150 * 6
EVERY_BARS = 3
AHEAD = ("rgba(217,119,6,0.22)", "rgba(217,119,6,0.45)")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_S = 120


def draw(image: Path) -> Path:
    """Run the demonstration in a temporary workspace and write its picture to `image`, a PNG.

    Raises:
        UnavailableError: chromium is not installed, or takes no picture.
    """
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        raise UnavailableError(f"expected one of {', '.join(NAMES)} on PATH, found none; install chromium")
    histories = simulated_histories()
    with tempfile.TemporaryDirectory() as scratch, progress_bars() as progress:
        folder = Path(scratch)
        demo = run_demo(histories, Settings(workspace=folder / "var"), progress=progress)
        records = [Band.from_wire(line) for line in demo.records_file.read_bytes().splitlines()]
        page = folder / "bands.html"
        page.write_text(_page(histories[0], records))
        _photograph(browser, page, folder / "bands.png")
        image.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(image, (folder / "bands.png").read_bytes())
    return image


def _photograph(browser: str, page: Path, image: Path) -> None:
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={page.parent / 'profile'}",
        f"--force-device-scale-factor={SCALE}",
        f"--window-size={WIDTH},{HEIGHT}",
        "--virtual-time-budget=10000",
        f"--screenshot={image}",
        page.as_uri(),
    ]
    told = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    if not image.is_file():
        raise UnavailableError(
            f"expected a screenshot from {browser}, found exit code {told.returncode}: "
            f"{told.stderr.decode(errors='replace')[-300:]}"
        )


def _page(history: History, records: Sequence[Band]) -> str:
    own = [one for one in records if one.symbol == history.symbol and one.prices is not None]
    newest = max(one.issued_at for one in own)
    now = int(newest.timestamp())
    shown = history.between(now - SHOWN_BARS * BAR_SECONDS, now)
    figure = go.Figure()
    past = [one for one in own if one.horizon_bars == HORIZONS[0]]
    closes = dict(zip((shown.open_time + BAR_SECONDS).tolist(), shown.close.tolist(), strict=True))
    seen = [one for one in past if int(one.target_time.timestamp()) in closes][::EVERY_BARS]
    _fill(
        figure,
        [one.target_time for one in seen],
        seen,
        [color for _, _, color, _ in INTERVALS],
        "seen 7 days before",
    )
    fan = sorted((one for one in own if one.issued_at == newest), key=lambda one: one.horizon_bars)
    _fill(figure, [newest, *(one.target_time for one in fan)], fan, AHEAD, "seen today", fan[0].ref_price)
    figure.add_scatter(
        x=[iso(close_time(opened)) for opened in shown.open_time.tolist()],
        y=shown.close,
        line={"color": LINE, "width": 1.3},
        name="close",
    )
    missed = [(one.target_time, closes[int(one.target_time.timestamp())]) for one in seen]
    outside = [
        (time, price)
        for one, (time, price) in zip(seen, missed, strict=True)
        if one.prices is not None and not one.prices.q05 <= price <= one.prices.q95
    ]
    figure.add_scatter(
        x=[time for time, _ in outside],
        y=[price for _, price in outside],
        mode="markers",
        marker={"color": MISS, "size": 6},
        name=f"outside the 90 % band ({100 * len(outside) / len(seen):.0f} % of closes)",
    )
    figure.update_layout(
        width=WIDTH,
        height=HEIGHT,
        template="plotly_white",
        title="Where the price would be: 90 % and 50 % bands, 7 to 10 days ahead (simulated market)",
        legend={"orientation": "h", "y": -0.08},
        margin={"l": 60, "r": 20, "t": 60, "b": 40},
        yaxis={"type": "log", "dtick": "D1", "tickformat": ",.0f"},
        xaxis={"tickformat": "%d %b %Y", "nticks": 9},
    )
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, config={"displayModeBar": False})
    return page.replace("<head>", "<head><style>body{margin:0}</style>", 1)


def _fill(
    figure: go.Figure,
    times: Sequence[object],
    records: Sequence[Band],
    colors: Sequence[str],
    name: str,
    start: float | None = None,
) -> None:
    first = [] if start is None else [start]
    for (low, high, _, interval), color in zip(INTERVALS, colors, strict=True):
        lower = first + [getattr(one.prices, low) for one in records]
        upper = first + [getattr(one.prices, high) for one in records]
        edge = {"x": times, "mode": "lines", "line": {"width": 0}, "legendgroup": name + interval}
        figure.add_scatter(y=upper, showlegend=False, **edge)
        figure.add_scatter(y=lower, fill="tonexty", fillcolor=color, name=f"{interval}, {name}", **edge)
