"""Tune the training settings: one study per horizon, interrupted and resumed at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from contracts.errors import UnavailableError
from offline.hpo import (
    EMBARGO_BARS,
    N_FOLDS,
    SearchPlan,
    StudyProgress,
    ThermalGuard,
    plan_workers,
)
from offline.tracking import Registry
from ops.cli.chosen import chosen_bars
from ops.cli.horizons import Horizons, chosen_horizons
from ops.cli.options import (
    BarFiles,
    Json,
    Leader,
    Since,
    Symbols,
    TrackingUri,
    Until,
    settings_with,
)
from ops.console import err, out, print_json, progress_bars, told_errors
from ops.settings import Settings
from ops.tuning import Tuned, tune

EXAMPLE = "Example: bands hpo --bars binance_BTCUSDT_4h.parquet --horizons 42 48 --trials 50"


def run(
    bars: BarFiles,
    symbols: Symbols = None,
    horizons: Horizons = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Finished trials per horizon, earlier runs' included.")
    ] = 50,
    folds: Annotated[int, typer.Option(min=2, help="Calendar blocks, each tested in turn.")] = N_FOLDS,
    embargo: Annotated[
        int, typer.Option(min=0, help="Bars left out of training behind each tested block.")
    ] = EMBARGO_BARS,
    since: Since = None,
    until: Until = None,
    leader: Leader = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where results go; default: hpo in the workspace.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Journal file or redis:// URL; default: journal.log beside the results."),
    ] = None,
    grid: Annotated[bool, typer.Option("--grid", help="Walk a plain grid instead, as a baseline.")] = False,
    proxy: Annotated[
        bool, typer.Option("--proxy", help="Search with faster fits and refit the best five in full.")
    ] = False,
    threads: Annotated[
        str | None, typer.Option(help="Fits at once, or `published` (20); default: one per fast core.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite results of other bars or settings in --out.")
    ] = False,
    track: Annotated[bool, typer.Option(help="Log the trials to the MLflow registry.")] = True,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """The same command goes on where it was interrupted, and ends with the same result."""
    with told_errors():
        settings = settings_with(tracking_uri=tracking_uri)
        asked = chosen_horizons(horizons)
        chosen = chosen_bars(settings, bars, symbols, since, until, leader)
        plan = SearchPlan(
            trials=trials,
            seed=settings.train.seed,
            grid=grid,
            proxy=proxy,
            folds=folds,
            embargo_bars=embargo,
        )
        workers = plan_workers(threads or settings.train.threads)
        target = folder or settings.workspace_path / "hpo"
        with progress_bars(quiet=as_json) as progress:
            dataset = chosen.dataset(settings, progress)
        with _bars(quiet=as_json) as on_progress:
            tuned = tune(
                dataset,
                chosen.histories,
                asked,
                plan,
                target,
                ThermalGuard(workers, told=_told_hot),
                storage=storage,
                replace=replace,
                on_progress=on_progress,
            )
        results = list(zip(tuned.files, tuned.results, strict=True))
        if as_json:
            print_json([{"file": str(file), **result} for file, result in results])
        else:
            _show(results)
        if track:
            _track(tuned, settings)


def _track(tuned: Tuned, settings: Settings) -> None:
    own = settings.registry.tracking_uri
    place = Registry(settings.registry_uri, None if own else settings.mlflow_path / "artifacts")
    try:
        for horizon, logged in tuned.log(place):
            err.print(f"T{horizon}: {logged.new_steps} trials logged to MLflow run {logged.run_id}")
    except UnavailableError as error:
        raise UnavailableError(
            f"{error}. The search is finished and its results are written; the same command again logs what "
            "is missing, --no-track leaves it out"
        ) from error


def _told_hot(workers: int) -> None:
    err.print(f"[yellow]the machine throttles for heat:[/] {workers} fits at once from now on")


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=quiet) as progress:
        tasks: dict[int, TaskID] = {}

        def report(state: StudyProgress) -> None:
            if state.horizon not in tasks:
                tasks[state.horizon] = progress.add_task(
                    f"T{state.horizon} trials", total=state.total, completed=state.finished, told=""
                )
            share = f"{state.pruned / state.finished:.0%} pruned" if state.finished else ""
            best = f"best {state.best:.5f} " if state.best is not None else ""
            progress.update(tasks[state.horizon], completed=state.finished, told=f"{best}{share}")

        yield report


def _show(results: list[tuple[Path, dict[str, Any]]]) -> None:
    table = Table(title="held-out pinball of the purged cells, log-return units", title_justify="left")
    for column in ("horizon", "best", "defaults", "empirical", "trials", "pruned", "rounds", "depth"):
        table.add_column(column, justify="right")
    for _, result in results:
        params = result["best_params"]
        table.add_row(
            f"T{result['horizon_bars']}",
            f"{result['best_pinball']:.6f}",
            f"{result['baseline']['ratio_of_best'] - 1:+.2%}",
            f"{result['empirical']['ratio_of_best'] - 1:+.2%}",
            str(result["n_trials"]),
            f"{result['share_pruned']:.0%}",
            str(params["rounds"]),
            str(params["depth"]),
        )
    out.print(table)
    out.print("defaults, empirical: the best one's standardised pinball against theirs, on the same cells")
    for file, result in results:
        if result["rank_correlation"] is not None:
            out.print(
                f"T{result['horizon_bars']}: {len(result['finalists'])} finalists refitted in full, rank "
                f"correlation with the proxy {result['rank_correlation']:.2f}"
            )
        out.print(f"written: [bold]{file}[/]", soft_wrap=True)
