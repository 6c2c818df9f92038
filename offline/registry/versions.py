"""Versions of registered models: made once for the same bytes."""

from __future__ import annotations

from typing import Any

from contracts.registry import SHA256_TAG


def find_version(client: Any, name: str, bundle_sha256: str) -> Any | None:
    """The first version of the model `name` that was made of this bundle, or None."""
    found = client.search_model_versions(f"name = '{name}' AND tags.{SHA256_TAG} = '{bundle_sha256}'")
    return min(found, key=lambda version: int(version.version), default=None)


def make_version(
    client: Any, name: str, source: str, run_id: str, tags: dict[str, str], model_id: str | None = None
) -> str:
    """A new version of the registered model `name`, which is made if there is none.

    Version and tags are one transaction: there is no version without its hash and pins.
    """
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    made = client.create_model_version(name, source, run_id, tags=tags, model_id=model_id)
    return str(made.version)
