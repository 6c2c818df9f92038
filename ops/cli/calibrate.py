"""Compare calibrators on held-out rows and say which one each horizon should ship with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from contracts.model.candle import History
from contracts.model.grid import HORIZONS, iso
from offline.calibration import compare, optimal, write_optimal
from offline.dataset import Dataset, Progress, no_progress
from offline.train import TrainPlan, training_key
from offline.train.cross_fit import cross_fit
from ops.cli.chosen import chosen_bars
from ops.cli.horizons import Horizons, chosen_horizons
from ops.cli.options import BarFiles, Json, Leader, Params, Since, Symbols, Until
from ops.console import out, print_json, progress_bars, told_errors
from ops.planning import training_plan
from ops.settings import Settings

EXAMPLE = "Example: bands calibrate --bars binance_BTCUSDT_4h.parquet --until 2024-01-01"


def run(
    bars: BarFiles,
    symbols: Symbols = None,
    horizons: Horizons = None,
    since: Since = None,
    until: Until = None,
    params: Params = None,
    leader: Leader = None,
    file: Annotated[
        Path | None, typer.Option("--out", help="Default: calibration_optimal.json in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Split, Mondrian, rolling (30 to 365 days), adaptive, two-speed and Mondrian adaptive CQR serve the same
    held-out rows in order.

    Each learns only from labels that have closed. `bands train --calibration` and `bands validate
    --calibration` read the result.
    """
    with told_errors():
        settings = Settings()
        chosen = chosen_bars(settings, bars, symbols, since, until, leader)
        plan = training_plan(settings, params)
        asked = chosen_horizons(horizons)
        target = file or settings.workspace_path / "calibration_optimal.json"
        with progress_bars(quiet=as_json) as progress:
            told = compare_calibrators(
                chosen.dataset(settings, progress),
                chosen.histories,
                plan,
                asked,
                threads=settings.train.threads,
                progress=progress,
            )
        write_optimal(told, target)
        if as_json:
            print_json(told)
            return
        _show(told)
        out.print(f"written: [bold]{target}[/]", soft_wrap=True)


def compare_calibrators(
    dataset: Dataset,
    histories: Sequence[History],
    plan: TrainPlan,
    horizons: Sequence[int] = HORIZONS,
    *,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """What `calibration_optimal.json` holds, of the dataset that these histories fold into."""
    leader = dataset.spec.leader
    held_out = [fit.held_out for fit in cross_fit(dataset, plan, progress, horizons=horizons, ship=False)]
    served = compare(held_out, threads=threads, progress=progress)
    return optimal(
        held_out,
        served,
        {
            "symbols": list(dataset.symbols),
            "leader": leader,
            "training_key": training_key(histories, plan, leader, dataset.max_gap_bars),
            "last_close": iso(int(dataset.close_time[-1])),
            "params": {name: one for name, one in plan.to_json().items() if int(name[1:]) in horizons},
        },
    )


def _show(told: dict[str, Any]) -> None:
    for name, horizon in told["horizons"].items():
        table = Table(
            title=f"{name}: {horizon['label']}", title_justify="left", box=None, padding=(0, 1, 0, 0)
        )
        table.add_column("calibrator", no_wrap=True)
        for heading in ("cov 90 %", "cov 50 %", "miss 90", "miss 50", "Winkler 90", "Winkler 50"):
            table.add_column(heading, justify="right")
        for one in horizon["candidates"]:
            mark = "* " if one["label"] == horizon["label"] else "  "
            table.add_row(
                mark + one["label"],
                _percent(one["coverage_90"]),
                _percent(one["coverage_50"]),
                f"{one['yearly_miss_90'] * 100:.1f}",
                f"{one['yearly_miss_50'] * 100:.1f}",
                f"{one['winkler_90_to_split']['value']:.4f}",
                f"{one['winkler_50_to_split']['value']:.4f}",
            )
        out.print(table)
        q_hat = f"q_hat 90 %: {horizon['q_hat_90']:+.4f}, 50 %: {horizon['q_hat_50']:+.4f} of the scale"
        out.print(f"{q_hat}; {horizon['note']}" if horizon["note"] else q_hat)
    out.print("miss: mean yearly |coverage - nominal|, points; Winkler: to split CQR, below 1 is better")


def _percent(estimate: dict[str, Any]) -> str:
    return f"{estimate['value'] * 100:.1f}"
