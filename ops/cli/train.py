"""Train a bundle: four horizons × five quantiles, calibrated on held-out scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from offline.tracking import track_training
from ops.cli.chosen import chosen_bars
from ops.cli.options import (
    BarFiles,
    CalibrationFile,
    Json,
    Leader,
    Params,
    Since,
    Symbols,
    TrackingUri,
    Until,
    settings_with,
)
from ops.console import out, print_json, progress_bars, told_errors
from ops.planning import training_plan
from ops.security.signing import sign_if_configured
from ops.tracking import track as track_run
from ops.training import Trained, train_bundle

EXAMPLE = "Example: bands train --bars binance_BTCUSDT_4h.parquet --until 2024-01-01"


def run(
    bars: BarFiles,
    symbols: Symbols = None,
    until: Until = None,
    since: Since = None,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "0.1.0",
    params: Params = None,
    calibration: CalibrationFile = None,
    leader: Leader = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="The bundle's folder; default: a new one in the workspace.")
    ] = None,
    track: Annotated[bool, typer.Option(help="Log the run to the MLflow registry.")] = True,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """The same bars and settings are trained once; the second time the bundle is reused."""
    with told_errors():
        settings = settings_with(tracking_uri=tracking_uri)
        chosen = chosen_bars(settings, bars, symbols, since, until, leader)
        with progress_bars(quiet=as_json) as progress:
            trained = train_bundle(
                chosen.histories,
                settings.bundles_path,
                version=version,
                settings=training_plan(settings, params, calibration),
                leader=chosen.leader,
                max_gap_bars=settings.train.max_gap_bars,
                alarms_per_year=settings.train.alarms_per_year,
                out=folder,
                progress=progress,
            )
        sign_if_configured(trained.folder, settings)
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
        if track:
            track_run(
                "training", settings, lambda place: track_training(place, trained.bundle, trained.folder)
            )


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
