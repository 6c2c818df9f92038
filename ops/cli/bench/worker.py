"""Benchmark of the worker: latency, throughput, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.benchmarks.worker import bench_worker
from ops.cli.options import Json
from ops.console import out, print_json, progress_bars, told_errors
from ops.settings import Settings

EXAMPLE = "Example: bands bench worker --bundle var/bundles/0.1.0-5f2c9d1e7a40"


def run(
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle to serve; default: a small simulated one.")
    ] = None,
    bars: Annotated[int, typer.Option(help="Bars for the latency, one at a time.")] = 2_000,
    as_json: Json = False,
) -> None:
    """Latency bar by bar, throughput in bulk, and memory."""
    with told_errors(), progress_bars(quiet=as_json) as progress:
        told = bench_worker(Settings(), bundle, bars, progress)
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        out.print(f"{name:<28} {value}", highlight=False)
