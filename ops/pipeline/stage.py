"""What a stage of the pipeline is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.dataset import Progress
from ops.pipeline.work import Work


@dataclass(frozen=True, slots=True)
class Done:
    """What a stage left: files or folders in the pipeline's folder, and a sentence on what it found."""

    files: Sequence[Path]
    said: str


def always(_: Work) -> bool:
    """For a stage that no option turns off."""
    return True


def nothing_gone(_: Work) -> str | None:
    """For a stage whose result is in its files alone."""
    return None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. It runs again when its `inputs` or the outputs of a stage in `after` have changed.

    `inputs` must not need a stage to have run, so that a plan can be told before. `gone` says what else than
    files is missing. One that `needs_go` is held while the gates say no-go. One that `shares` its folder
    with others has its files removed when it is not `asked` for, so that nobody takes them for current.
    """

    name: str
    after: tuple[str, ...]
    inputs: Callable[[Work], dict[str, Any]]
    run: Callable[[Work, Progress], Done]
    asked: Callable[[Work], bool] = always
    gone: Callable[[Work], str | None] = nothing_gone
    needs_go: bool = False
    shares: bool = False
