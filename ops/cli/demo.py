"""Train, publish, serve and replay, and see the bands: the whole loop on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from offline.metrics import Estimate
from ops.cli.bar_files import read_histories
from ops.cli.options import Json, OptionalBarFiles, Until, moment
from ops.cli.train import show
from ops.console import out, print_json, progress_bars, told_errors
from ops.demo import Demo, run_demo
from ops.demo.demo import DEFAULT_CUT, simulated_histories
from ops.demo.live import live_market, start_live, watch
from ops.settings import Settings
from ops.training import choose_leader, train_bundle

EXAMPLE = "Example: bands demo --bars binance_BTCUSDT_4h.parquet"


def run(
    bars: OptionalBarFiles = None,
    cut: Annotated[str | None, typer.Option(help="Train before, replay after; default 2024-01-01.")] = None,
    until: Until = None,
    leader: Annotated[
        str | None, typer.Option(help="Market leader, or `none`; default BTCUSDT among several symbols.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="A live-like system here: mock exchange, feed, worker, dashboard, an alert."
        ),
    ] = False,
    bars_per_second: Annotated[
        float, typer.Option(min=0.1, max=20.0, help="With --live: how fast the exchange's clock runs.")
    ] = 2.0,
    until_alert: Annotated[
        bool, typer.Option("--until-alert", help="With --live: stop at the first drift alert.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Without --bars the market is simulated. A second run reuses the trained and published bundle.

    With --live volatility triples after ten simulated days; Ctrl-C ends every process.
    """
    with told_errors():
        settings = Settings()
        if live:
            _run_live(settings, bars_per_second, until_alert)
            return
        histories = [h for h, _ in read_histories(bars)] if bars else simulated_histories()
        chosen = choose_leader([h.symbol for h in histories], leader)
        with progress_bars(quiet=as_json) as progress:
            demo = run_demo(
                histories,
                settings,
                cut=moment(cut) or DEFAULT_CUT,
                until=moment(until),
                leader=chosen,
                progress=progress,
            )
        if as_json:
            print_json(_json(demo))
        else:
            _show(demo, settings)


def _run_live(settings: Settings, bars_per_second: float, until_alert: bool) -> None:
    before, whole = live_market()
    with progress_bars() as progress:
        trained = train_bundle(before, settings.bundles_path, version="0.1.0", progress=progress)
    show(trained)
    out.print("starting mock exchange, worker, feed and dashboard …")
    with start_live(settings, trained.folder, whole, bars_per_second) as system:
        seen = watch(system, until_alert=until_alert)
    out.print(f"{seen.bars:,} bars, {seen.bands:,} bands at T42, {len(seen.alerts)} drift alerts; all ended")


def _json(demo: Demo) -> dict[str, object]:
    return {
        "bundle": demo.trained.bundle.label,
        "reused": demo.trained.reused,
        "registry_version": demo.published.version,
        "bars": demo.bars,
        "dead_letters": demo.dead,
        "latency_p50_ms": demo.latency_p50_ms,
        "latency_p99_ms": demo.latency_p99_ms,
        "worker_mb": demo.worker_mb,
        "horizons": [score.to_json() for score in demo.scores],
        "records": str(demo.records_file),
        "chart": str(demo.chart),
    }


def _show(demo: Demo, settings: Settings) -> None:
    show(demo.trained)
    verb = "published as" if demo.published.is_new else "in the registry as"
    out.print(f"{verb} {demo.published.name} version {demo.published.version}, @{demo.published.alias}")
    table = Table(
        title=f"{demo.bars:,} bars through a worker, one at a time; {demo.dead} dead letters",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        caption="\\[…]: 90 % moving-block bootstrap. HAR-RV on the same bars; below 1 is better.",
        caption_justify="left",
    )
    columns = ("", "bands", "indep.", "coverage 90, %", "coverage 50, %", "pinball / HAR-RV")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for score in demo.scores:
        ratio = score.pinball_to_har_rv
        table.add_row(
            f"T{score.horizon_bars}",
            f"{score.bands:,}",
            f"{score.coverage_90.n_effective}",
            _shown(score.coverage_90, percent=True),
            _shown(score.coverage_50, percent=True),
            "n/a" if ratio is None else _shown(ratio),
        )
    out.print(table)
    out.print(
        f"bar in to all four records out: p50 {demo.latency_p50_ms:.1f} ms, "
        f"p99 {demo.latency_p99_ms:.1f} ms; worker memory {demo.worker_mb:.0f} MB",
        highlight=False,
    )
    out.print("where to look next", style="bold")
    relative = _relative(demo.server_folder)
    for what, how in (
        ("the picture", str(_relative(demo.chart))),
        ("the records", f"head -1 {_relative(demo.records_file)}"),
        ("the streams", f"bands server --folder {relative}   then redis-cli XREVRANGE bands.T42 + - COUNT 1"),
        ("the registry", f"mlflow ui --backend-store-uri {_relative_uri(settings)}"),
        ("serve it", "bands worker   and in another terminal bands status"),
    ):
        out.print(f"  {what:<13} {how}", highlight=False, soft_wrap=True)


def _shown(estimate: Estimate, *, percent: bool = False) -> str:
    factor, style = (100.0, "{:.1f}") if percent else (1.0, "{:.3f}")
    told = style.format(factor * estimate.value)
    if estimate.low is None or estimate.high is None:
        return told
    low, high = style.format(factor * estimate.low), style.format(factor * estimate.high)
    return f"{told} \\[{low}, {high}]"


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _relative_uri(settings: Settings) -> str:
    if settings.registry.tracking_uri is not None:
        return "the tracking URI of your settings"
    return f"sqlite:///{_relative(settings.mlflow_path / 'mlflow.db')}"
