"""Explain one band, or one missing band."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from contracts.errors import BadInputError
from contracts.events import Band, Outcome
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVEL_NAMES, iso
from contracts.topics import Topics, partition_of
from offline.retrain.archive import read_archive
from ops.audit.anatomy import Anatomy
from ops.audit.bundles import find_folders
from ops.audit.explain import Explained, explain
from ops.audit.reasons import DEAD
from ops.audit.served import client_of, read_served
from ops.cli.bar_files import read_histories
from ops.cli.options import Json, RedisUrl, moment, settings_with
from ops.console import out, print_json, progress_bars, told_errors

EXAMPLE = "Example: bands explain BTCUSDT 2024-03-01T08:00 --horizon 42"

WIDE = 96
"""Columns that three features side by side need; on narrower screens two are."""


def run(
    symbol: Annotated[str, typer.Argument(help="Whose band.")],
    at: Annotated[
        str | None,
        typer.Argument(metavar="[TIME]", help="When its bar opened or closed; default: latest."),
    ] = None,
    horizon: Annotated[int, typer.Option(help="In bars: 42, 48, 54 or 60.")] = HORIZONS[0],
    bundle: Annotated[
        list[Path] | None,
        typer.Option(help="Bundle folders that answered; default: those in the workspace, by their hash."),
    ] = None,
    bars: Annotated[
        list[Path] | None, typer.Option(help="Files of older bars, where the stream let go of them.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of LightGBM's contributions are shown.")] = 8,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """Exit codes: 0 explained, 3 a symbol nobody heard of or a wrong option, 4 no server.

    Shows the record, what became of it, its features and their rank among those of training, and every step
    from the learned correction to prices; or why there is none, and what to do.
    """
    with told_errors():
        if horizon not in HORIZONS:
            raise BadInputError(f"expected --horizon of {', '.join(map(str, HORIZONS))}, found {horizon}")
        settings = settings_with(redis_url)
        histories = (
            [one for one, _ in read_histories(bars)]
            if bars
            else list(read_archive(settings.workspace_path).values())
        )
        topics = Topics(partition_of(symbol, settings.stream.partitions), settings.stream.partitions)
        outputs = (topics.bands(horizon), topics.outcomes(horizon), topics.shadow(horizon), topics.dead)
        with client_of(settings) as client, progress_bars(quiet=as_json) as progress:
            served = read_served(client, topics, outputs)
            folders = find_folders(settings, bundle or ())
            found = explain(served, symbol, moment(at), horizon, folders, histories, progress)
        if as_json:
            print_json(found.to_json())
        else:
            _show(found, top)


def _say(text: str, style: str | None = None) -> None:
    out.print(text, style=style, highlight=False, markup=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _show(found: Explained, top: int) -> None:
    if found.opened is not None:
        _say(
            f"{found.symbol} T{found.horizon}, the bar of {iso(found.opened)} to "
            f"{iso(found.opened + BAR_SECONDS)} ({_how(found)})",
            "bold",
        )
    if found.record is not None:
        _show_record(found, found.record)
    if found.missing:
        _say(found.missing, "yellow")
    for letter in found.letters:
        _say(f"dead letter  {letter.reason}: {letter.detail}", "red")
        _say(f"             entry {letter.entry}, {letter.size_bytes} bytes. {DEAD[letter.reason]}")
    if found.anatomy is not None and found.record is not None:
        _show_steps(found.anatomy, found.record, found.shadow)
        _show_features(found.anatomy)
        _show_contributions(found.anatomy, top)
    elif found.why_not:
        _say(f"not taken apart: {found.why_not}", "yellow")


def _how(found: Explained) -> str:
    return {"open time": "matched as open time", "issue time": "matched as issue time"}.get(
        found.matched, "the latest"
    )


def _show_record(found: Explained, record: Band) -> None:
    if (reason := found.reason) is not None:
        _say(f"no band      {record.reason}: {record.detail}", "yellow")
        _say(f"             {reason[0]}")
        _say(f"what to do   {reason[1]}")
    else:
        _say(
            f"band         in {found.source}, target {iso(int(record.target_time.timestamp()))}, at price "
            f"{record.ref_price:.6g}"
        )
    _say(f"bundle       {record.bundle or 'none'}" + (f": {found.role}" if record.bundle else ""))
    if record.degraded:
        _say(f"degraded     {', '.join(record.degraded)}", "yellow")
    if record.calibration is not None:
        q = record.calibration
        _say(
            f"calibration  {q.method}, q_hat {q.q_hat_90:+.4f} (90 %) and {q.q_hat_50:+.4f} (50 %) of σ√T, "
            f"{found.learnt} labels learnt"
        )
    if found.outcome is not None:
        _say(f"outcome      {_outcome(found.outcome)}")
    elif record.is_band:
        _say("outcome      not closed yet")


def _outcome(one: Outcome) -> str:
    if one.status == "unresolved":
        return f"unresolved: the target bar is {one.reason}; nothing learns from it"
    hits = [
        f"{'inside' if hit else 'outside'} the {c} % band" for c, hit in ((90, one.hit_90), (50, one.hit_50))
    ]
    return f"{one.realised:+.4f}: {' and '.join(hits)}, rank {one.pit:.2f}, pinball {one.pinball:.5f}"


def _show_steps(one: Anatomy, record: Band, shadow: Band | None) -> None:
    out.print()
    verdict = "the very quantiles served" if one.equal else "NOT the quantiles served: run `bands audit`"
    _say(f"from the forest to prices: {verdict}", None if one.equal else "bold red")
    table = _table("", *LEVEL_NAMES)
    standardised = (
        ("empirical, σ√T", one.empirical),
        (f"learned correction (×{one.weight:g})", one.correction),
        (f"sorted, median shrunk {one.median_shrink:g}", one.raw),
        ("calibrated", one.issued),
        (f"log return (σ√T = {one.unit:.4f})", one.returns),
    )
    for name, values in standardised:
        table.add_row(name, *(f"{value:+.4f}" for value in values))
    table.add_row("price", *(f"{value:.6g}" for value in one.prices), style="bold")
    if record.prices is not None and not one.equal:
        table.add_row("price as served", *(f"{v:.6g}" for v in record.prices.model_dump().values()))
    if shadow is not None and shadow.prices is not None:
        prices = shadow.prices.model_dump().values()
        table.add_row(f"shadow {shadow.bundle}", *(f"{v:.6g}" for v in prices), style="dim")
    out.print(table)


def _show_features(one: Anatomy) -> None:
    out.print()
    _say("features, and their percentile among the rows of training (0 and 100: beyond them)")
    abreast = 3 if out.width >= WIDE else 2
    table = _table(*(["feature", "value", "rank"] * abreast))
    table.padding = (0, 1, 0, 0)
    rows = -(-len(one.features) // abreast)
    for number in range(rows):
        cells: list[str] = []
        for name, value, rank in one.features[number::rows]:
            extreme = rank < 1 or rank > 99
            cells += [name, f"{value:+.3g}", f"[bold yellow]{rank:.0f}[/]" if extreme else f"{rank:.0f}"]
        table.add_row(*cells)
    out.print(table)
    _say(f"σ of one bar {one.sigma:.6f}")


def _show_contributions(one: Anatomy, top: int) -> None:
    out.print()
    _say("LightGBM's contributions to the learned correction, in σ√T; they and the base add up to it")
    table = _table("feature", *LEVEL_NAMES)
    parts, base = one.contributions[:-1], one.contributions[-1]
    order = np.argsort(-np.abs(parts).max(axis=1), kind="stable")[:top].tolist()
    for number in order:
        table.add_row(one.features[number][0], *(f"{value:+.4f}" for value in parts[number]))
    rest = np.delete(parts, order, axis=0).sum(axis=0)
    table.add_row(f"{len(parts) - len(order)} others", *(f"{value:+.4f}" for value in rest))
    table.add_row("base", *(f"{value:+.4f}" for value in base))
    table.add_row("correction", *(f"{value:+.4f}" for value in one.correction), style="bold")
    out.print(table)
