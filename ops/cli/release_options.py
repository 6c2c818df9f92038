"""Who releases, and why: options and the line that promote, rollback and shadow share."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from contracts.events import Release
from ops.console import out, print_json

By = Annotated[str | None, typer.Option("--by", help="Who does this; default: the user's name.")]
Why = Annotated[str | None, typer.Option("--why", help="The reason, for the history.")]


def who(by: str | None) -> str:
    """The name given, or the user's."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def show_release(release: Release | None, *, as_json: bool) -> None:
    """Tell of a change, or that nothing had to be changed."""
    if as_json:
        print_json({"release": None if release is None else release.model_dump(mode="json", by_alias=True)})
    elif release is None:
        out.print("nothing changed: it is so already")
    else:
        out.print(line(release), highlight=False, markup=False)


def line(release: Release) -> str:
    """One line of history."""
    left = f" (was {release.from_bundle})" if release.from_bundle else ""
    share = f", share {release.share:g}" if release.action == "shadow" else ""
    why = f": {release.why}" if release.why else ""
    what = f"{release.at:%Y-%m-%d %H:%M}Z {release.action} → {release.to_bundle}"
    return f"{what}{left}{share} by {release.by}{why}"
