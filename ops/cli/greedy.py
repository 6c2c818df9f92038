"""Options that take several words: `--horizons 42 48 54` is `--horizons 42 --horizons 48 --horizons 54`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from typer.core import TyperCommand


def spread(args: list[str], options: Collection[str]) -> list[str]:
    """Arguments with each of `options` repeated before every word that follows it.

    >>> spread(["--bars", "a.csv", "b.csv", "--step", "30"], {"--bars"})
    ['--bars', 'a.csv', '--bars', 'b.csv', '--step', '30']
    """
    told: list[str] = []
    current, taken = None, 0
    for word in args:
        if word.startswith("-") and word != "-":
            current, taken = (word if word in options else None), 0
            told.append(word)
            continue
        if current is not None and taken:
            told.append(current)
        told.append(word)
        taken += 1
    return told


class GreedyCommand(TyperCommand):
    """A command whose repeatable options also take all their values at once.

    Only where the command has no positional arguments, which could not be told from values.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Spread repeatable options, then parse as always."""
        if all(param.param_type_name == "option" for param in self.params):
            several = {
                name for param in self.params if getattr(param, "multiple", False) for name in param.opts
            }
            args = spread(args, several)
        return super().parse_args(ctx, args)
