"""Benchmark of a prediction: latency per horizon, throughput, memory, against the targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from contracts.files import write_atomic
from ops.benchmarks.inference import bench_inference
from ops.cli.options import Json
from ops.console import out, print_json, progress_bars, told_errors
from ops.settings import Settings

EXAMPLE = "Example: bands bench inference --bundle var/bundles/0.1.0-5f2c9d1e7a40 --out inference.json"


def run(
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle to ask; default: a small simulated one.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows to ask for, one at a time.")] = 1_000,
    file: Annotated[
        Path | None, typer.Option("--out", help="Also write the result here, for `bands gates` and `report`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """One row's bands per horizon and all at once, rows a second, memory, and 20 boosters for comparison."""
    with told_errors():
        with progress_bars(quiet=as_json) as progress:
            told = bench_inference(Settings(), bundle, rows, progress)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, (json.dumps(told, indent=2, allow_nan=False) + "\n").encode())
        if as_json:
            print_json(told)
        else:
            _show(told)
            if file is not None:
                out.print(f"written: [bold]{file}[/]", soft_wrap=True)


def _show(told: dict[str, Any]) -> None:
    how = "numba" if told["accelerated"] else "numpy"
    out.print(f"bundle {told['bundle']}, {told['symbol']}, {told['rows']:,} rows, {how}", highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("ms a row, calibrated")
    for heading in ("mean", "p50", "p95", "p99"):
        table.add_column(heading, justify="right")
    for name, times in (*told["horizons"].items(), ("all four", told["all_horizons"])):
        table.add_row(name, *(f"{value:.3f}" for value in times.values()))
    out.print(table)
    speed, packed = told["predictions_per_s"], told["packed_vs_booster"]
    out.print(f"rows a second: {speed['single']:,} one at a time, {speed['batch']:,} in one call")
    out.print(
        f"{packed['models']} × Booster.predict {packed['booster_ms']:.3f} ms; packed forest: "
        + ", ".join(
            f"{name} {packed[f'{name}_ms']:.3f} ms, {packed[f'{name}_times_faster']:.1f} times faster"
            for name in ("numpy", "numba")
            if packed[f"{name}_ms"] is not None
        )
        + f"; the same bits: {'yes' if packed['identical'] else 'NO'}"
    )
    for name, target in told["targets"].items():
        ideal = "" if target["ideal"] is None else f" (ideal < {target['ideal']:g})"
        out.print(
            f"{name}: {target['measured']:g}, target < {target['minimum']:g}{ideal}: "
            + ("met" if target["met"] else "[bold red]missed[/]")
        )
