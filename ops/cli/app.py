"""The `bands` command: one module per subcommand, imported only when it is the one that runs.

A worker must not pay for the training stack, nor `--help` for anything.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ops.console import EXIT_CODES

COMMANDS = {
    "demo": "Train, publish, serve and replay, and see the bands: the whole loop.",
    "ingest": "Read bars, check them, and keep them in the workspace.",
    "hpo": "Tune the training settings: one resumable study per horizon.",
    "train": "Train a bundle: four horizons × five quantiles, calibrated.",
    "validate": "Walk forward over history, as it would have run live, and score every band.",
    "publish": "Publish a bundle to the MLflow registry and point an alias at it.",
    "worker": "Serve bands from a stream of bars: one partition, one process.",
    "replay": "Push bars through a worker and collect every record it answers with.",
    "status": "What runs, what is served, and every setting with its origin.",
    "server": "Run the embedded server in the foreground.",
    "bench": "Measure this machine.",
}


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        help_line = COMMANDS.get(cmd_name)
        return None if help_line is None else TyperCommand(cmd_name, help=help_line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            return super().resolve_command(ctx, args)
        return args[0], _load(args[0]), args[1:]


def _load(name: str) -> Any:
    module = import_module(f"ops.cli.{name}")
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    alone.command(name, help=f"{COMMANDS[name]}\n\n{module.run.__doc__}", epilog=module.EXAMPLE)(module.run)
    return typer.main.get_command(alone)


app = typer.Typer(
    name="bands",
    cls=_LazyGroup,
    help="Calibrated price bands for crypto markets: trained offline, served as a stream.",
    epilog=f"Settings: bands.toml, BANDS_* variables; `bands status --settings` lists them. {EXIT_CODES}",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _bands() -> None:
    """Calibrated price bands for crypto markets."""


def main() -> None:
    """Run the command line."""
    app()
