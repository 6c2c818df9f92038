"""Train a bundle: four horizons × five quantiles, calibrated on held-out scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from offline.train import TrainSettings
from ops.cli.bar_files import read_histories
from ops.cli.options import BarFiles, Json, Until, moment
from ops.console import out, print_json, progress_bars, told_errors
from ops.settings import Settings
from ops.training import Trained, choose_leader, train_bundle

EXAMPLE = "Example: bands train --bars binance_BTCUSDT_4h.parquet --until 2024-01-01"


def run(
    bars: BarFiles,
    until: Until = None,
    since: Annotated[str | None, typer.Option(help="Leave out bars before this time.")] = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "0.1.0",
    leader: Annotated[
        str | None, typer.Option(help="Market leader, or `none`; default BTCUSDT among several symbols.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="The bundle's folder; default: a new one in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The same bars and settings are trained once; the second time the bundle is reused."""
    with told_errors():
        settings = Settings()
        start = moment(since)
        histories = [h.between(start, moment(until)) for h, _ in read_histories(bars)]
        if wanted := settings.train.symbols:
            histories = [h for h in histories if h.symbol in wanted]
        chosen = choose_leader([h.symbol for h in histories], leader)
        plan = TrainSettings(
            seed=settings.train.seed, threads=settings.train.threads, folds=settings.train.folds
        )
        with progress_bars(quiet=as_json) as progress:
            trained = train_bundle(
                histories,
                settings.bundles_path,
                version=version,
                settings=plan,
                leader=chosen,
                max_gap_bars=settings.train.max_gap_bars,
                out=folder,
                progress=progress,
            )
        if as_json:
            metrics = trained.bundle.manifest.metrics
            print_json(
                {
                    "folder": str(trained.folder),
                    "label": trained.bundle.label,
                    "reused": trained.reused,
                    "metrics": metrics,
                }
            )
        else:
            show(trained)
            out.print(f"next: [bold]bands publish {trained.folder}[/]", soft_wrap=True)


def show(trained: Trained) -> None:
    """Print a bundle and what its models scored on rows they had not seen."""
    manifest = trained.bundle.manifest
    verb = "reused" if trained.reused else "trained"
    out.print(f"{verb} [bold]{trained.bundle.label}[/] for {', '.join(manifest.symbols)} in {trained.folder}")
    table = Table(title="held-out rows of training (calibration comes from these)", title_justify="left")
    for column in ("horizon", "rows", "cov 90", "cov 50", "q_hat 90", "q_hat 50", "crossing"):
        table.add_column(column, justify="right")
    for name in (f"T{head.horizon_bars}" for head in manifest.heads):
        m = manifest.metrics[name]
        table.add_row(
            name,
            f"{m['rows']:.0f}",
            f"{m['coverage_90_uncalibrated']:.1%}",
            f"{m['coverage_50_uncalibrated']:.1%}",
            f"{m['q_hat_90']:+.4f}",
            f"{m['q_hat_50']:+.4f}",
            f"{m['crossing_rate_before_rearrangement']:.2%}",
        )
    out.print(table)
