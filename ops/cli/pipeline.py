"""From bars to a package in one run: it goes on where it stopped, and skips what is up to date."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ops.cli.options import BarFiles, Json, Leader, Since, Symbols, TrackingUri, Until, moment, settings_with
from ops.console import FAILED, out, print_json, progress_bars, told_errors
from ops.pipeline import (
    NEVER_RUN,
    Decision,
    Event,
    Outcome,
    PipelineOptions,
    Record,
    Work,
    pipeline_lock,
    plan_pipeline,
    run_pipeline,
)

EXAMPLE = (
    "Example: bands pipeline --bars binance_BTCUSDT_4h.parquet --start 2023-01-01 --until 2024-01-01 "
    "--trials 50"
)
COLOURS = {
    "ran": "green",
    "run": "green",
    "up to date": "cyan",
    "may run": "yellow",
    "held": "yellow",
    "not asked": "dim",
    "failed": "bold red",
    "interrupted": "yellow",
}
_NAME, _STATE = 12, 12
"""Widths of the first two columns: the longest stage and the longest state, and a blank."""


def run(
    bars: BarFiles,
    symbols: Symbols = None,
    since: Since = None,
    until: Until = None,
    leader: Leader = None,
    window: Annotated[str, typer.Option(help="Days that train each refit, or `expanding`.")] = "expanding",
    step: Annotated[int, typer.Option(min=1, help="Days between refits.")] = 30,
    start: Annotated[
        str | None, typer.Option(help="First walk-forward refit; default: half way through the bars.")
    ] = None,
    tune_until: Annotated[
        str | None,
        typer.Option(
            help="Tune and choose calibrators on bars that close by this time; default: --start. A later "
            "time flatters the walk-forward, and the report says so."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=0, help="HPO trials per horizon; 0 trains untuned.")] = 50,
    grid: Annotated[
        bool, typer.Option("--grid", help="Also search a plain grid and make its bundle, as contingency.")
    ] = False,
    calibrate: Annotated[
        bool, typer.Option(help="Compare calibrators (two years to tune on); else adaptive CQR.")
    ] = True,
    peers: Annotated[
        str, typer.Option(help="Leaderboard peers, as in `bands bench forecast`; `none` leaves it out.")
    ] = "none",
    version: Annotated[str, typer.Option(help="Of the bundle and the package.")] = "1.0.0-hpo",
    alias: Annotated[
        str, typer.Option(help="Alias a go moves; champion is what workers serve.")
    ] = "challenger",
    policy: Annotated[
        Path | None, typer.Option(help="TOML of gate thresholds over the default ones.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: pipeline in the workspace.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say which stages would run, and why; run none.")
    ] = False,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Every stage runs once, and again when what it reads has changed; pipeline.json remembers.

    Searches, validations and trainings are logged to the MLflow registry. Interrupted at any moment, the
    same command goes on. A stage that fails ends the run with its error. On a no-go the report is written,
    nothing is published or packed, and the exit code is 1.
    """
    with told_errors():
        settings = settings_with(tracking_uri=tracking_uri)
        options = PipelineOptions(
            bars=tuple(bars),
            symbols=tuple(symbols or ()),
            since=moment(since),
            until=moment(until),
            leader=leader,
            window_days=_window_days(window),
            step_days=step,
            start=moment(start),
            tune_until=moment(tune_until),
            trials=trials,
            grid=grid,
            calibrate=calibrate,
            peers=() if peers == "none" else tuple(name.strip() for name in peers.split(",") if name.strip()),
            version=version,
            alias=alias,
            policy=policy,
        )
        target = (folder or settings.workspace_path / "pipeline").absolute()
        if plan:
            _show_plan(plan_pipeline(Work(options, settings, Record(target))), as_json=as_json)
            return
        with pipeline_lock(target):
            work = Work(options, settings, Record(target))
            outcome = run_pipeline(
                work, _quiet if as_json else _show_event, lambda: progress_bars(quiet=as_json)
            )
            made = _made(work, outcome)
        if as_json:
            print_json(made)
        else:
            _show_end(made)
    if not outcome.go:
        raise typer.Exit(FAILED)


def _window_days(text: str) -> int | None:
    if text == "expanding":
        return None
    if not text.isdecimal():
        raise ValueError(f"expected --window as a number of days or `expanding`, found {text!r}")
    return int(text)


def _made(work: Work, outcome: Outcome) -> dict[str, Any]:
    """The summary: verdict, stages, and where things are; null for what a no-go or an option left out."""
    packed = work.record.get("package") if outcome.go else None
    archive = next((path for path in packed.outputs if path.endswith(".tar.gz")), None) if packed else None
    return {
        "schema": "pipeline-summary/1",
        "go": outcome.go,
        "folder": str(work.folder),
        "stages": [asdict(event) | {"seconds": round(event.seconds, 3)} for event in outcome.events],
        "notes": list(outcome.notes),
        "bundle": str(work.bundle),
        "alias": work.options.alias if outcome.go else None,
        "gates": str(work.gates),
        "report": str(work.folder / "report" / "PRODUCTION_READINESS_REPORT.md"),
        "package": None if archive is None else str(work.folder / archive),
    }


def _quiet(event: Event) -> None:
    """Nothing but the summary is for machines."""


def _show_event(event: Event) -> None:
    seconds = f"{event.seconds:8.1f} s" if event.state in ("ran", "failed", "interrupted") else " " * 10
    told = event.said if event.state in ("ran", "up to date") else event.why
    if event.state == "ran" and event.why != NEVER_RUN:
        told = f"{event.why}: {event.said}"
    _line(event.stage, event.state, f"{seconds}  {told}")


def _show_plan(plan: list[tuple[str, Decision]], *, as_json: bool) -> None:
    if as_json:
        print_json([{"stage": name, "state": one.state, "why": one.why} for name, one in plan])
        return
    for name, decision in plan:
        _line(name, decision.state, decision.why)


def _line(name: str, state: str, rest: str) -> None:
    out.print(
        f"{name:<{_NAME}} [{COLOURS[state]}]{state:<{_STATE}}[/]{escape(rest)}",
        highlight=False,
        soft_wrap=True,
    )


def _show_end(made: dict[str, Any]) -> None:
    for note in made["notes"]:
        out.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    verdict = "[bold green]GO[/]" if made["go"] else "[bold red]NO-GO[/]"
    held = "" if made["go"] else ", nothing published or packed"
    out.print(f"{verdict}{held}; gates: {escape(made['gates'])}", highlight=False, soft_wrap=True)
    for what in ("bundle", "report", "package"):
        if made[what] is not None:
            out.print(f"{what + ':':<9}{escape(made[what])}", highlight=False, soft_wrap=True)
