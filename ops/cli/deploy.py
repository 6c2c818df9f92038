"""Deploy a signed-off package, or keep a contingency, or write out the files that run the whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInputError
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.cli.publish import to_registry
from ops.cli.release_options import By, Why, who
from ops.console import err, out, print_json, told_errors
from ops.deployment.alone import alone, interruptible
from ops.deployment.deploy import Asked, deploy, is_live
from ops.deployment.job import Job
from ops.deployment.package import find_package, opened, plain_version, signoffs
from ops.deployment.switch import CONTINGENCY
from ops.deployment.templates import KINDS, write_files
from ops.release.connect import streams
from ops.settings import Settings

EXAMPLE = "Example: bands deploy v1.0.0-hpo --by ada --why 'walk-forward 90.3 %'"


def run(
    version: Annotated[
        str | None, typer.Argument(help="Of the package in the workspace, such as v1.0.0-hpo.")
    ] = None,
    package: Annotated[Path | None, typer.Option(help="Deploy this tar.gz or folder instead.")] = None,
    by: By = None,
    why: Why = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the first bar after the switch.")
    ] = True,
    contingency: Annotated[
        Path | None, typer.Option(help="Keep this bundle behind @contingency, and stop.")
    ] = None,
    files: Annotated[
        Path | None, typer.Option(help="Write the files that run the whole into this folder, and stop.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help=f"With --files: {', '.join(KINDS)}; default: all.")
    ] = None,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Exit codes: 0 live, 1 failed and what ran before runs again, 3 refused, 130 interrupted and back.

    Check, backup, install, publish, switch, wait for the workers, smoke, first bands, baseline. One that was
    cut off goes on where it was; `bands rollback` takes it back instead.
    """
    with told_errors():
        settings = settings_with(redis_url, tracking_uri)
        if files is not None:
            written = write_files(files, settings, tuple(kind or KINDS))
            for path in written:
                out.print(str(path), soft_wrap=True, highlight=False)
            return
        if contingency is not None:
            _keep(contingency, settings, as_json=as_json)
            return
        _deploy(settings, version, package, Asked(who(by), why or "", wait), as_json=as_json)


def _deploy(
    settings: Settings, version: str | None, given: Path | None, asked: Asked, *, as_json: bool
) -> None:
    source = find_package(settings, version, given)
    with alone(settings), opened(source) as package, interruptible(), streams(settings) as client:
        if version is not None and plain_version(version) != package.version:
            raise BadInputError(
                f"expected version {plain_version(version)} in {source}, found {package.version}"
            )
        signoffs(package.folder, package.bundle.sha256, settings)
        if is_live(settings, client, package):
            told = f"nothing to do: {package.version} ({package.bundle.label}) is live"
            if as_json:
                print_json({"status": "live", "bundle": package.bundle.label})
            else:
                out.print(told, highlight=False)
            return
        job = deploy(settings, client, package, asked, _tell)
        if as_json:
            print_json(job.record.model_dump(mode="json") | {"folder": str(job.folder)})
        else:
            _show(job)


def _tell(line: str) -> None:
    loud = line.split(":")[0].isupper() or line.startswith("WENT BACK")
    err.print(line, style="bold red" if loud else None, highlight=False, markup=False, soft_wrap=True)


def _show(job: Job) -> None:
    out.print(f"[bold green]live[/]: {job.record.version} ({job.record.bundle})", highlight=False)
    out.print(f"record and baseline: {job.folder}", soft_wrap=True, highlight=False)
    out.print("look after it: [bold]bands smoke[/], [bold]bands status[/]; back: [bold]bands rollback[/]")
    sys.stdout.flush()


def _keep(bundle: Path, settings: Settings, *, as_json: bool) -> None:
    published = to_registry(bundle, settings, CONTINGENCY, quiet=as_json)
    if as_json:
        print_json({"alias": CONTINGENCY, "version": published.version, "bundle": published.label})
    else:
        out.print(
            f"@{CONTINGENCY} points at version {published.version} ({published.label})", highlight=False
        )
        out.print("in need: [bold]bands rollback --to contingency[/]")
