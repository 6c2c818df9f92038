"""Look at everything a deployment needs, before it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, cast

import typer

from contracts.errors import BadInputError
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.console import FAILED, print_json, told_errors
from ops.deployment.check import check
from ops.deployment.checks.access import Role
from ops.deployment.finding import verdict
from ops.deployment.package import opened
from ops.deployment.show import as_json as told_as_json
from ops.deployment.show import show

EXAMPLE = "Example: bands check --package var/packages/production_v1.0.0-hpo.tar.gz"


def run(
    package: Annotated[
        Path | None, typer.Option(help="The tar.gz or folder of `bands package` that is to be deployed.")
    ] = None,
    role: Annotated[str, typer.Option(help="Whose rights on the server to try: worker or ops.")] = "worker",
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Exit codes: 0 passed, perhaps with warnings; 1 something fails; 3 the package is damaged.

    Package, libraries, gates, sign-offs, server and its persistence, rights, memory, disk, clocks, registry,
    workers, a dry prediction. Nothing is changed.
    """
    with told_errors():
        if role not in {"worker", "ops"}:
            raise BadInputError(f"expected --role worker or ops, found {role!r}")
        settings = settings_with(redis_url, tracking_uri)
        with ExitStack() as stack:
            found = check(
                settings,
                stack.enter_context(opened(package)) if package is not None else None,
                role=cast("Role", role),
            )
        if as_json:
            print_json(told_as_json(found))
        else:
            show("before a deployment", found)
        if verdict(found) == "fail":
            sys.exit(FAILED)
