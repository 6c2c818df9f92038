"""Recompute what was served from what the server kept, and tell where the two differ."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from contracts.files import write_atomic
from contracts.model.candle import History
from contracts.topics import Topics
from offline.retrain.archive import read_archive
from ops.audit.audit import Audited, Depth, audit
from ops.audit.bundles import find_folders
from ops.audit.served import client_of, read_served
from ops.cli.bar_files import read_histories
from ops.cli.options import Json, RedisUrl, settings_with
from ops.console import BAD_INPUT, FAILED, err, out, print_json, progress_bars, told_errors
from ops.settings import Settings

EXAMPLE = "Example: bands audit --bars binance_BTCUSDT_4h.parquet --out audit.json"

SHOWN = 3
"""Differences of each stream that are printed; --json and --out tell up to 20."""

LEAST = 1e-12
"""Differences of warm-up below this, in standard deviations, are shown as 0."""


def run(
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Bundle folders that answered; default: those in the workspace, by their hash."),
    ] = None,
    bars: Annotated[
        list[Path] | None,
        typer.Option(help="Files of older bars: those the stream let go of, and those trained on."),
    ] = None,
    cuts: Annotated[int, typer.Option(min=0, help="Random moments at which the future is replaced.")] = 3,
    starts: Annotated[int, typer.Option(min=0, help="Later starts of the warm-up that are measured.")] = 4,
    redis_url: RedisUrl = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="Write the whole report here, as JSON.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Exit codes: 0 all is equal, 1 something differs, 3 bars or a bundle are lacking, 4 no server.

    Reads bars, swaps, bands, outcomes, shadows, dead letters, alerts and folded state of every partition,
    runs the bars again under the recorded lineups, and compares byte for byte. The worker may go on.
    """
    with told_errors():
        settings = settings_with(redis_url)
        histories = _histories(settings, bars)
        folders = find_folders(settings, bundle or ())
        audited: list[Audited] = []
        with client_of(settings) as client, progress_bars(quiet=as_json) as progress:
            for partition in range(settings.stream.partitions):
                served = read_served(client, Topics(partition, settings.stream.partitions))
                audited.append(audit(served, folders, histories, Depth(cuts, starts), progress))
        code = _code(audited)
        told = {"equal": code == 0, "partitions": [one.to_json() for one in audited]}
        if target is not None:
            write_atomic(target, json.dumps(told, indent=2).encode() + b"\n")
        if as_json:
            print_json(told)
        else:
            for one in audited:
                _show(one)
            _show_end(audited, target)
    sys.exit(code)


def _histories(settings: Settings, bars: list[Path] | None) -> list[History]:
    """The files given, or without any what the workspace has archived."""
    if bars:
        return [history for history, _ in read_histories(bars)]
    return list(read_archive(settings.workspace_path).values())


def _code(audited: list[Audited]) -> int:
    if any(one.differing for one in audited):
        return FAILED
    return BAD_INPUT if any(one.unproven for one in audited) else 0


def _show(one: Audited) -> None:
    bundles = ", ".join(one.bundles) or "none"
    files = f" ({one.from_files} from files)" if one.from_files else ""
    out.print(
        f"partition {one.partition}  {one.bars:,} bars in effect{files}, {one.swaps} swaps, "
        f"bundles {bundles}",
        highlight=False,
    )
    if one.unproven:
        out.print(f"[bold yellow]not proven[/] {one.unproven.replace('[', chr(92) + '[')}", highlight=False)
        return
    out.print(_streams(one))
    if one.differences:
        out.print(_differences(one))
    _show_proof(one)
    _show_warm_up(one)
    out.print(f"told again at {one.bars_per_second:,.0f} bars a second", highlight=False)


def _table(title: str) -> Table:
    return Table(title=title or None, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))


def _streams(one: Audited) -> Table:
    table = _table("served and recomputed, byte for byte")
    for column in ("stream", "served", "equal", "differ", "first compared"):
        table.add_column(column, justify="left" if column in ("stream", "first compared") else "right")
    for part in one.compared:
        colour = "green" if part.agrees else "bold red"
        first = part.from_ + (f" ({part.trimmed:,} older trimmed)" if part.trimmed else "")
        table.add_row(
            part.where,
            f"{part.served:,}",
            f"{part.equal:,}",
            f"[{colour}]{part.differing:,}[/]",
            first,
        )
    return table


def _differences(one: Audited) -> Table:
    table = _table(f"the first {SHOWN} differences of each")
    for column in ("where", "entry", "what", "field", "served", "recomputed"):
        table.add_column(column, overflow="fold")
    seen: Counter[str] = Counter()
    for part in one.differences:
        seen[part.where] += 1
        if seen[part.where] > SHOWN:
            continue
        what = part.what.replace(":00:00Z", "h")
        cells = (part.where, part.entry, what, part.field, part.served, part.recomputed)
        table.add_row(*(cell.replace("[", chr(92) + "[") for cell in cells))
    return table


def _show_proof(one: Audited) -> None:
    proof = one.proof
    if not proof.bands:
        out.print("look-ahead  no band was issued, or no cut asked for: nothing to prove", highlight=False)
        return
    verdict = "[green]none[/]" if not proof.differing else f"[bold red]{proof.differing} values differ[/]"
    out.print(
        f"look-ahead  {verdict}: {proof.bands:,} bands and {proof.rows:,} rows computed with the whole "
        f"future at hand, {proof.cut_bands:,} bands and {proof.cut_rows:,} rows with garbage after "
        f"{', '.join(cut[:10] for cut in proof.cuts)}",
        highlight=False,
    )
    training = (
        f"{proof.training_rows:,} rows of the training side compared, bit for bit"
        if not proof.training
        else f"not compared with the training side: {proof.training}"
    )
    out.print(f"            {training}", highlight=False)


def _show_warm_up(one: Audited) -> None:
    warm = one.warm_up
    if warm.why_not or not warm.features:
        out.print(f"warm-up     not measured: {warm.why_not or 'too few bars'}", highlight=False)
        return
    out.print(
        f"warm-up     largest difference to the whole history by bars since a later start ({warm.starts} "
        "starts); features in their standard deviations",
        highlight=False,
    )
    table = _table("")
    table.add_column("")
    for since in warm.since:
        table.add_column(f"{since:,}+", justify="right")
    exact = [name for name, row in warm.features.items() if max(row) < LEAST]
    for name, row in warm.features.items():
        if name not in exact:
            table.add_row(name, *map(_number, row))
    if exact:
        table.add_row(f"{len(exact)} other features", *("0" for _ in warm.since))
    table.add_row("σ, relative", *map(_number, warm.sigma), style="bold")
    table.add_row("band, of its width", *map(_number, warm.bands), style="bold")
    out.print(table)


def _number(value: float) -> str:
    if value < LEAST:
        return "0"
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.0e}"


def _show_end(audited: list[Audited], target: Path | None) -> None:
    differing: int = sum(one.differing for one in audited)
    if differing:
        err.print(f"[bold red]{differing:,} differences[/] between what was served and what is recomputed")
    elif any(one.unproven for one in audited):
        err.print("[bold yellow]not proven[/]: bars are lacking, see above")
    else:
        err.print("[green]equal[/]: everything kept is what the recorded bars and bundles give again")
    if target is not None:
        err.print(f"report in {target}", highlight=False)
