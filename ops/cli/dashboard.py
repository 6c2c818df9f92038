"""The live page: bands, calibration, alerts, releases and health."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from ops.cli.options import RedisUrl, settings_with
from ops.console import out, told_errors
from ops.logs import set_up
from ops.settings import Settings

EXAMPLE = "Example: bands dashboard --port 8110"


def run(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; any but this machine's own needs a password.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port; default 8110.")] = None,
    redis_url: RedisUrl = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every request's problems.")] = False,
) -> None:
    """Reads the streams and the workers' health, and writes nothing; it may start before they do.

    The password comes from BANDS_DASHBOARD__PASSWORD or the file dashboard.password_file names. Exit codes:
    0 stopped, 3 no password or a wrong setting, 4 the port is taken.
    """
    for noisy in ("httpx", "httpcore", "waitress.queue"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with told_errors():
        settings = dashboard_settings(settings_with(redis_url), host, port)
        set_up(settings, verbose=verbose, fields={"service": "dashboard"})
        from ops.dashboard.serve import serve

        serve(settings, lambda url: out.print(f"[bold]{url}[/]  Ctrl-C stops it", highlight=False))


def dashboard_settings(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with what was said on the command line on top."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    own = settings.dashboard.model_copy(update=given)
    return settings.model_copy(update={"dashboard": own})
