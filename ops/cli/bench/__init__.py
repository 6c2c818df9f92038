"""Benchmarks: ratios and latencies of one run, never a pass or a fail."""

from __future__ import annotations

import typer

from ops.cli.lazy import lazy_group

BENCHMARKS = {
    "forecast": "The walk-forward leaderboard: our bands beside every peer, on the same rows.",
    "inference": "One row to its calibrated bands, per horizon, and memory.",
    "hpo": "The search beside the plain way of searching, and the whole of it against the clock.",
    "online": "The same bundle over years of bars, its calibrators learning and standing still.",
    "worker": "Bar in to all four records out on the embedded server.",
}

app = typer.Typer(
    cls=lazy_group("ops.cli.bench", BENCHMARKS),
    help="Measure this machine: latencies and ratios, never a pass or a fail.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _bench() -> None:
    """Measure this machine: latencies and ratios, never a pass or a fail."""
