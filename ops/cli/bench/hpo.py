"""Benchmark of the search: beside the plain way, and the whole of it against the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from offline.hpo import SearchPlan, plan_workers
from ops.benchmarks.hpo import bench_hpo
from ops.benchmarks.hpo_full import full_search
from ops.cli.bar_files import read_histories
from ops.cli.options import BarFiles, Json, Until, moment
from ops.console import out, print_json, progress_bars, told_errors
from ops.settings import Settings

EXAMPLE = "Example: bands bench hpo --bars bitstamp_BTCUSD_4h.parquet --from 2013-01-01 --trials 30"


def run(
    bars: BarFiles,
    since: Annotated[
        str | None, typer.Option("--from", help="Use bars that open from this time on, e.g. 2013-01-01.")
    ] = None,
    until: Until = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Per search; default: 20 beside the plain way, 50 with --full.")
    ] = None,
    horizon: Annotated[int, typer.Option(help="The horizon of the comparison, in bars.")] = 42,
    full: Annotated[
        bool, typer.Option("--full", help="Time the search of all four horizons instead; resumes.")
    ] = False,
    proxy: Annotated[bool, typer.Option("--proxy", help="Search as `bands hpo --proxy` does.")] = False,
    threads: Annotated[
        str | None, typer.Option(help="Our fits at once, as in `bands hpo`; the plain way takes its default.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where --full searches; default: bench/hpo in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """`bands hpo` against LGBMRegressor, TPE on SQLite and a median pruner: seconds, and loss on unseen bars.

    Both search all bars but the last year with the same space, folds and purging; both winners are refitted
    once and scored on that year.
    """
    with told_errors():
        settings = Settings()
        histories = [h.between(moment(since), moment(until)) for h, _ in read_histories(bars)]
        plan = SearchPlan(trials=trials or (50 if full else 20), seed=settings.train.seed, proxy=proxy)
        workers = plan_workers(threads or settings.train.threads)
        with progress_bars(quiet=as_json) as progress:
            if full:
                target = folder or settings.workspace_path / "bench" / "hpo"
                told = full_search(histories, plan, workers, target, progress)
            else:
                told = bench_hpo(histories, horizon, plan, workers, progress)
        if as_json:
            print_json(told)
        elif full:
            _show_full(told)
        else:
            _show(told)


def _show(told: dict[str, Any]) -> None:
    for name in ("ours", "plain"):
        side = told[name]
        out.print(
            f"{name:<6} {side['seconds']:8.1f} s {side['cpu_seconds']:8.1f} CPU s  "
            f"{side['finished']} trials, {side['pruned']} pruned, "
            f"held-out pinball {side['held_out_pinball_standardised']:.5f} σ√T",
            highlight=False,
        )
    unseen = told["unseen"]
    out.print(
        f"ratio  {told['speed_ratio']:.1f} in seconds, {told['cpu_ratio']:.1f} in CPU seconds "
        f"(aim: {told['target_ratio']:.0f})",
        highlight=False,
    )
    low, high = unseen["ratio_low"], unseen["ratio_high"]
    interval = (
        f"no interval: {unseen['reason']}"
        if low is None
        else f"{unseen['interval_level']:.0%} interval {low:.4f} to {high:.4f}"
    )
    out.print(
        f"unseen {told['searched_until'][:10]} to {told['unseen_until'][:10]}: pinball "
        f"{unseen['pinball_ours']:.6f} ours, {unseen['pinball_plain']:.6f} plain; ours / plain "
        f"{unseen['ratio']:.4f}, {interval}, about {unseen['independent_outcomes']} independent outcomes",
        highlight=False,
        soft_wrap=True,
    )


def _show_full(told: dict[str, Any]) -> None:
    out.print(
        f"{told['trials']} trials, {told['pruned']} pruned, {told['rows']:,} rows, "
        f"{told['fits_at_once']} fits at once: {told['seconds']:.0f} s (aim: {told['target_seconds']:.0f})",
        highlight=False,
    )
    for name, side in told["horizons"].items():
        out.print(
            f"{name}  held-out pinball {side['pinball']:.6f}, to defaults {side['to_defaults']:.4f}, to "
            f"empirical {side['to_empirical']:.4f}, {side['share_pruned']:.0%} pruned, best was trial "
            f"{side['best_slot']}",
            highlight=False,
        )
    out.print(f"written: [bold]{told['folder']}[/]", soft_wrap=True)
