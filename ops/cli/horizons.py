"""The option `--horizons 42 48`, also as `42,48` or repeated, for every command that has it."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.model.grid import HORIZONS

Horizons = Annotated[
    list[str] | None, typer.Option("--horizons", help="Bars ahead, e.g. `42 48` or 42,48; default: all four.")
]


def chosen_horizons(told: list[str] | None) -> list[int]:
    """The horizons asked for, each once and in the order asked; all of them where none are.

    Raises:
        ValueError: a word that is no horizon.

    >>> chosen_horizons(["42,60", "48"]), chosen_horizons(None)
    ([42, 60, 48], [42, 48, 54, 60])
    """
    words = [word for part in told or () for word in part.replace(",", " ").split()]
    for word in words:
        if not word.isdecimal() or int(word) not in HORIZONS:
            raise ValueError(f"expected --horizons among {', '.join(map(str, HORIZONS))}, found {word!r}")
    return list(dict.fromkeys(map(int, words))) or list(HORIZONS)
