"""What serves now, as the registry tells it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.model.bundle.folder import MANIFEST
from contracts.model.grid import HORIZONS
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL
from offline.hpo.space import point_of
from offline.registry.client import registry
from ops.settings import Settings

FIRST_VERSION = "1.0.0-hpo"
"""Of a bundle that is retrained with nothing before it."""


@dataclass(frozen=True, slots=True)
class Served:
    """The champion: its label, version, symbols and leader, and the training settings of each horizon."""

    label: str
    version: str
    symbols: tuple[str, ...]
    leader: str | None
    params: Mapping[str, Mapping[str, Any]]

    @property
    def points(self) -> dict[int, dict[str, Any]]:
        """Where the search that made it ended, by horizon: points for the next one to start from."""
        return {
            horizon: point_of(self.params[name])
            for horizon in HORIZONS
            if (name := f"T{horizon}") in self.params
        }


def champion_label(settings: Settings) -> str | None:
    """The label of the bundle behind the champion's alias; None when nothing is.

    Raises:
        RegistryError: the registry does not answer.
    """
    with registry(settings.registry_uri, settings.registry.timeout_s) as client:
        version = _champion(client, settings)
        return None if version is None else version.tags.get("label", "unknown")


def look_up_champion(settings: Settings) -> Served | None:
    """The champion with its manifest; None when nothing serves.

    Raises:
        RegistryError: the registry does not answer, or does not hold the manifest.
    """
    with registry(settings.registry_uri, settings.registry.timeout_s) as client:
        version = _champion(client, settings)
        if version is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            file = client.download_artifacts(version.run_id, f"{BUNDLE_ARTIFACT}/{MANIFEST}", folder)
            told: dict[str, Any] = json.loads(Path(file).read_text())
        return Served(
            version.tags.get("label", "unknown"),
            told["version"],
            tuple(told["symbols"]),
            told["features"]["leader"],
            told["params"],
        )


def next_minor(version: str) -> str:
    """One minor version up, suffix kept.

    >>> next_minor("1.0.0-hpo"), next_minor("1.9.3")
    ('1.1.0-hpo', '1.10.0')
    """
    found = re.fullmatch(r"(\d+)\.(\d+)\.\d+(-.*)?", version)
    if found is None:
        raise ValueError(f"expected a version such as 1.0.0-hpo, found {version!r}")
    return f"{found[1]}.{int(found[2]) + 1}.0{found[3] or ''}"


def _champion(client: Any, settings: Settings) -> Any | None:
    known = client.search_registered_models(f"name = '{BUNDLE_MODEL}'")
    version = known[0].aliases.get(settings.registry.alias) if known else None
    return None if version is None else client.get_model_version(BUNDLE_MODEL, str(version))
