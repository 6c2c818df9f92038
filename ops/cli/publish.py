"""Publish a bundle to the MLflow registry and point an alias at it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from offline.registry import Published, publish
from ops.cli.options import Json, TrackingUri, settings_with
from ops.console import out, print_json, progress_bars, told_errors
from ops.security.signing import sign_if_configured, trusted_of
from ops.settings import Settings

EXAMPLE = "Example: bands publish var/bundles/0.1.0-5f2c9d1e7a40"


def run(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    alias: Annotated[str, typer.Option(help="Alias to move: champion is what workers serve.")] = "champion",
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Four horizon models and the bundle version that pins them. Publishing again changes nothing."""
    with told_errors():
        settings = settings_with(tracking_uri=tracking_uri)
        published = to_registry(bundle, settings, alias, quiet=as_json)
        if as_json:
            print_json(asdict(published))
        else:
            told = "published" if published.is_new else "already there:"
            out.print(
                f"{told} [bold]{published.name}[/] version {published.version} ({published.label}), "
                f"@{alias} points at it"
            )
            out.print("next: [bold]bands worker[/]")


def to_registry(bundle: Path, settings: Settings, alias: str, *, quiet: bool = False) -> Published:
    """Publish `bundle` to the registry of `settings`, signed first where a key is configured.

    Raises:
        BundleError: the folder does not verify, or no trusted key has signed it.
        RegistryError: the registry can not be reached or refuses; the same call again goes on.
    """
    sign_if_configured(bundle, settings)
    own = settings.registry.tracking_uri
    with progress_bars(quiet=quiet) as progress:
        return publish(
            bundle,
            settings.registry_uri,
            artifacts=None if own else settings.mlflow_path / "artifacts",
            alias=alias,
            trusted=trusted_of(settings),
            progress=progress,
        )
