"""A command group that imports a subcommand's module only when it is the one that runs.

A worker must not pay for the training stack, nor `--help` for anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ops.cli.greedy import GreedyCommand


def lazy_group(package: str, commands: Mapping[str, str]) -> type[TyperGroup]:
    """The group whose subcommand `name` is `run` of the module `package.name`, or its `app` when it has one.

    `commands` gives each one's line of help. A module with `run` has its `EXAMPLE` beside it.
    """

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
            help_line = commands.get(cmd_name)
            return None if help_line is None else TyperCommand(cmd_name, help=help_line)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            if args[0] not in commands:
                return super().resolve_command(ctx, args)
            return args[0], _load(package, args[0], commands[args[0]]), args[1:]

    return LazyGroup


def _load(package: str, name: str, help_line: str) -> Any:
    module = import_module(f"{package}.{name.replace('-', '_')}")
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    alone.command(
        name, cls=GreedyCommand, help=f"{help_line}\n\n{module.run.__doc__}", epilog=module.EXAMPLE
    )(module.run)
    return typer.main.get_command(alone)
