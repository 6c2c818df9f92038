"""Give the champion's place back to the previous one, or to the contingency."""

from __future__ import annotations

import sys
from typing import Annotated, cast

import typer

from contracts.errors import BadInputError
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.cli.release_options import By, Why, show_release, who
from ops.console import FAILED, err, out, print_json, told_errors
from ops.deployment.alone import alone
from ops.deployment.rollback import RolledBack, To, roll_back
from ops.deployment.workers import addresses, wait_serving
from ops.release.connect import streams
from ops.settings import Settings

EXAMPLE = "Example: bands rollback --by ada --why 'coverage fell below 80 %'"


def run(
    to: Annotated[
        str, typer.Option(help="previous, or contingency: the bundle kept for the worst.")
    ] = "previous",
    by: By = None,
    why: Why = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return once every worker serves it; exit code 1 if one does not.")
    ] = False,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Champion and @previous change places; refused (exit 1) when there is no previous one.

    The installed release follows. A deployment that was cut off is taken back instead; a rollback that was
    cut off is completed, not made twice.
    """
    with told_errors():
        if to not in {"previous", "contingency"}:
            raise BadInputError(f"expected --to previous or contingency, found {to!r}")
        settings = settings_with(redis_url, tracking_uri)
        with alone(settings), streams(settings) as client:
            done = roll_back(settings, client, to=cast("To", to), by=who(by), why=why or "", tell=_tell)
        _show(done, as_json=as_json)
        if wait and done.bundle_sha256 is not None and not _confirmed(settings, done.bundle_sha256):
            sys.exit(FAILED)


def _tell(line: str) -> None:
    err.print(line, highlight=False, markup=False, soft_wrap=True)


def _show(done: RolledBack, *, as_json: bool) -> None:
    if as_json:
        release = None if done.release is None else done.release.model_dump(mode="json", by_alias=True)
        print_json({"release": release, "current": done.current, "notes": list(done.notes)})
        return
    if done.release is not None or not done.notes:
        show_release(done.release, as_json=False)
    for note in done.notes:
        out.print(note, highlight=False, markup=False, soft_wrap=True)
    if done.current is not None:
        out.print(f"releases/current is {done.current}", highlight=False, soft_wrap=True)


def _confirmed(settings: Settings, sha256: str) -> bool:
    missing = wait_serving(addresses(settings), sha256, settings.deploy.ready_timeout_s)
    for address, why in missing.items():
        err.print(f"{address}: {why}", style="bold red", highlight=False, markup=False)
    if not missing:
        _tell("every worker serves it")
    return not missing
