"""See whether what runs really serves."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ops.audit.bundles import find_folders
from ops.audit.served import client_of
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.console import FAILED, print_json, told_errors
from ops.deployment.finding import verdict
from ops.deployment.install import releases_path
from ops.deployment.package import MODELS
from ops.deployment.show import as_json as told_as_json
from ops.deployment.show import show
from ops.deployment.smoke import smoke

EXAMPLE = "Example: bands smoke --json"


def run(
    bundle: Annotated[
        str | None, typer.Option(help="Label or sha256 that every worker must serve; default: any.")
    ] = None,
    any_age: Annotated[
        bool, typer.Option("--any-age", help="Old bars are no failure, as after a replay.")
    ] = False,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Exit codes: 0 it serves, perhaps with warnings; 1 it does not; 4 no server.

    Every worker ready with its bundle, its pages, dead letters, each symbol's newest records, their age, and
    the newest bands computed again from the folded state, equal to the last bit.
    """
    with told_errors():
        settings = settings_with(redis_url, tracking_uri)
        installed = [
            folder for folder in releases_path(settings).glob(f"*/production_v*/{MODELS}") if folder.is_dir()
        ]
        folders = find_folders(settings, installed)
        wanted = next((s for s in folders if bundle and bundle.rpartition("+")[2] == s[:12]), bundle)
        with client_of(settings) as client:
            found = smoke(
                settings, client, bundle_sha256=wanted, folders=folders, stale="warn" if any_age else "fail"
            )
        if as_json:
            print_json(told_as_json(found))
        else:
            show("what runs", found)
        if verdict(found) == "fail":
            sys.exit(FAILED)
