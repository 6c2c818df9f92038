"""Benchmark of online calibration: the same bundle over the same bars, learning and standing still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from contracts.errors import BadInputError
from contracts.model.bundle import load_bundle
from contracts.model.grid import HORIZONS
from offline.calibration import CalibrationChoice
from ops.benchmarks.online import bench_online
from ops.cli.bar_files import chosen_histories
from ops.cli.options import BarFiles, CalibrationFile, Json, Leader, Symbols, Until, moment
from ops.console import out, print_json, progress_bars, told_errors
from ops.planning import training_plan
from ops.settings import Settings
from ops.training import choose_leader, train_bundle

EXAMPLE = "Example: bands bench online --bars bars/ --since 2021-01-01 --symbols BTCUSDT ETHUSDT"


def run(
    bars: BarFiles,
    since: Annotated[
        str | None, typer.Option(help="Train on the bars before this moment and serve those after it.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Serve this bundle instead, from where its training ended.")
    ] = None,
    symbols: Symbols = None,
    until: Until = None,
    calibration: CalibrationFile = None,
    method: Annotated[
        str | None, typer.Option(help="Calibrator of every horizon, such as two_speed_cqr.")
    ] = None,
    leader: Leader = None,
    as_json: Json = False,
) -> None:
    """Coverage, yearly miss and Winkler score with calibrators that learn from closed labels, and without."""
    with told_errors():
        if (since is None) == (bundle is None):
            raise BadInputError("expected --since to train up to, or --bundle; found both or neither")
        settings = Settings()
        whole = chosen_histories(bars, None, (), None, moment(until))
        with progress_bars(quiet=as_json) as progress:
            if bundle is None:
                cut = moment(since)
                plan = training_plan(settings, None, calibration)
                if method is not None:
                    plan = replace(plan, calibration=dict.fromkeys(HORIZONS, CalibrationChoice(method)))
                past = [h for h in (h.between(None, cut) for h in whole) if len(h)]
                served = train_bundle(
                    past,
                    settings.bundles_path,
                    version="0.1.0-online",
                    settings=plan,
                    leader=choose_leader([h.symbol for h in past], leader),
                    progress=progress,
                ).bundle
            else:
                served = load_bundle(bundle)
            ends = {name: fold.last_open_time or 0 for name, fold in served.states.items()}
            live = [h.between(ends[h.symbol] + 1, None) for h in whole if h.symbol in ends]
            told = bench_online(served, live, symbols or [h.symbol for h in live], progress)
        if as_json:
            print_json(told)
        else:
            show(told)


def show(told: dict[str, Any]) -> None:
    """Print the comparison."""
    out.print(
        f"{told['bundle']}, {', '.join(told['symbols'])}, {told['first']} to {told['last']}, "
        f"{told['bands']:,} bands",
        highlight=False,
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    headings = ("coverage 90", "coverage 50", "yearly miss", "Winkler 90 to standing still")
    for heading in ("", "calibrators", *headings):
        table.add_column(heading)
    for name, one in (*told["horizons"].items(), ("pooled", told["pooled"])):
        for variant in ("learning", "standing"):
            part = one[variant]
            ratio = one["winkler_ratio"]
            table.add_row(
                name if variant == "learning" else "",
                variant if variant == "learning" else "standing still",
                _per_cent(part["coverage_90"]),
                _per_cent(part["coverage_50"]),
                f"{100 * part['yearly_miss']:.2f} points",
                f"{ratio['value']:.4f} [{ratio['low']:.4f}, {ratio['high']:.4f}]"
                if variant == "learning"
                else "",
            )
    out.print(table)
    drift = told["alerts_per_symbol_year"]
    out.print(
        f"drift findings a symbol and year: {sum(drift.values()):.1f}"
        + (" (" + ", ".join(f"{name} {rate:.1f}" for name, rate in drift.items()) + ")" if drift else "")
    )


def _per_cent(estimate: dict[str, Any]) -> str:
    if estimate["low"] is None:
        return f"{100 * estimate['value']:.1f} %"
    return f"{100 * estimate['value']:.1f} % [{100 * estimate['low']:.1f}, {100 * estimate['high']:.1f}]"
