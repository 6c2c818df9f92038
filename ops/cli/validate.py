"""Walk-forward validation: what the model would have said, month after month, and how good it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from offline.tracking import track_validation
from offline.validate import CpcvSettings, Validation, WalkForwardSettings, validate
from offline.validate.run import RESULTS
from ops.cli.bar_files import chosen_histories
from ops.cli.horizons import Horizons, chosen_horizons
from ops.cli.options import (
    BarFiles,
    CalibrationFile,
    Json,
    Leader,
    Params,
    Since,
    Symbols,
    TrackingUri,
    moment,
    settings_with,
)
from ops.console import out, print_json, progress_bars, told_errors
from ops.planning import training_plan
from ops.tracking import track as track_run
from ops.training import choose_leader

EXAMPLE = "Example: bands validate --bars binance_BTCUSDT_4h.parquet --start 2023-01-01 --end 2024-01-01"


def run(
    bars: BarFiles,
    symbols: Symbols = None,
    horizons: Horizons = None,
    window: Annotated[str, typer.Option(help="Days that train each refit, or `expanding`.")] = "365",
    step: Annotated[int, typer.Option(help="Days between refits.")] = 30,
    start: Annotated[
        str | None, typer.Option(help="First refit; default: as soon as a window is full.")
    ] = None,
    since: Since = None,
    end: Annotated[str | None, typer.Option(help="Use bars that close by this time.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: validation_wf in the workspace.")
    ] = None,
    params: Params = None,
    calibration: CalibrationFile = None,
    leader: Leader = None,
    cpcv: Annotated[bool, typer.Option("--cpcv", help="Also run purged cross-validation.")] = False,
    groups: Annotated[int, typer.Option(help="Calendar blocks of --cpcv.")] = 5,
    test_groups: Annotated[int, typer.Option(help="Blocks that --cpcv tests at once.")] = 1,
    embargo: Annotated[int, typer.Option(help="Bars left out behind each tested block.")] = 180,
    track: Annotated[bool, typer.Option(help="Log the run to the MLflow registry.")] = True,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Refit, predict the next step, move on: results.json, predictions.parquet, and every finished window.

    Interrupted, the same command goes on from the windows that are finished.
    """
    with told_errors():
        settings = settings_with(tracking_uri=tracking_uri)
        histories = chosen_histories(bars, symbols, settings.train.symbols, moment(since), moment(end))
        plan = WalkForwardSettings(_window_days(window), step, moment(start))
        with progress_bars(quiet=as_json) as progress:
            validation = validate(
                histories,
                folder or settings.workspace_path / "validation_wf",
                settings=plan,
                train_settings=training_plan(settings, params, calibration),
                leader=choose_leader([history.symbol for history in histories], leader),
                horizons=chosen_horizons(horizons),
                cpcv=CpcvSettings(groups, test_groups, embargo) if cpcv else None,
                max_gap_bars=settings.train.max_gap_bars,
                progress=progress,
            )
        if as_json:
            print_json(_summary(validation))
        else:
            _show(validation)
        if track:
            file = validation.folder / RESULTS
            track_run("validation", settings, lambda place: track_validation(place, validation.results, file))


def _window_days(text: str) -> int | None:
    if text == "expanding":
        return None
    if not text.isdigit():
        raise ValueError(f"expected --window as a number of days or `expanding`, found {text!r}")
    return int(text)


def _summary(validation: Validation) -> dict[str, Any]:
    results = validation.results
    return {
        "folder": str(validation.folder),
        "windows": len(results["windows"]),
        "reused_windows": validation.reused_windows,
        "first": results["windows"][0]["start"],
        "last": results["windows"][-1]["stop"],
        "seconds": {name: round(value, 3) for name, value in validation.seconds.items()},
        "overall": results["overall"],
        "cpcv": results["cpcv"],
    }


def _show(validation: Validation) -> None:
    results = validation.results
    windows = results["windows"]
    out.print(
        f"{len(windows)} windows from {windows[0]['start'][:10]} to {windows[-1]['stop'][:10]}, "
        f"{validation.reused_windows} reused; "
        + ", ".join(f"{name} {value:.0f} s" for name, value in validation.seconds.items())
    )
    note = "walk-forward, with 90 % block-bootstrap intervals"
    out.print(_table(note, results["overall"], _COVERAGE))
    out.print(_table("losses; ratios are paired, below 1 is better", results["overall"], _LOSSES))
    for name, told in (results["cpcv"] or {"horizons": {}})["horizons"].items():
        out.print(f"cross-validation {name}: {_fold_line(told)}")
    out.print(f"written: {validation.folder}/results.json, predictions.parquet", soft_wrap=True)


_Column = tuple[str, str, int, float, bool]
"""Heading, score, digits, unit, and whether to show the interval."""

_COVERAGE: tuple[_Column, ...] = (
    ("indep.", "n_effective", 0, 1, False),
    ("cov 90 %", "coverage_90", 1, 100, True),
    ("cov 50 %", "coverage_50", 1, 100, True),
    ("cal.err", "calibration_error", 3, 1, False),
    ("cross %", "crossing_rate", 2, 100, False),
)
_LOSSES: tuple[_Column, ...] = (
    ("pinball", "pinball", 5, 1, False),
    ("/ HAR-RV", "pinball_to_har_rv", 3, 1, True),
    ("Winkler / HAR-RV", "winkler_90_to_har_rv", 3, 1, True),
    ("MAE", "mae", 4, 1, False),
    ("IC", "ic", 2, 1, False),
)


def _table(title: str, overall: dict[str, Any], columns: Sequence[_Column]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("symbol", no_wrap=True)
    for heading, *_ in columns:
        table.add_column(heading, justify="right")
    for name, scopes in overall.items():
        for scope, told in scopes.items():
            scores = told | {"n_effective": {"value": told["pinball"]["n_effective"], "low": None}}
            cells = [
                _told(scores[key], digits, unit, interval=wide) for _, key, digits, unit, wide in columns
            ]
            table.add_row(name, scope, *cells)
    return table


def _fold_line(told: dict[str, Any]) -> str:
    if told["variance_between_folds"] is None or told["coverage_90"] is None:
        return "too few folds with an outcome and HAR-RV"
    return (
        f"pinball / HAR-RV {told['pinball_to_har_rv']:.3f}, between folds "
        f"{told['variance_between_folds']:.3f}, coverage {told['coverage_90']:.1%} and "
        f"{told['coverage_50']:.1%}"
    )


def _told(estimate: dict[str, Any], digits: int, unit: float, *, interval: bool) -> str:
    if estimate["value"] is None:
        return "–"
    text = f"{unit * estimate['value']:.{digits}f}"
    if not interval or estimate["low"] is None:
        return text
    return f"{text} [{unit * estimate['low']:.{digits}f}, {unit * estimate['high']:.{digits}f}]"
