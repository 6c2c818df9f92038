"""What the MLflow registry knows of a bundle, by its hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contracts.model.grid import HORIZONS
from contracts.registry import BUNDLE_MODEL, SHA256_TAG, database_file, horizon_model
from offline.gates.check import Check
from offline.registry import RegistryError
from offline.registry.client import registry

SOURCE = "registry"
PUBLISH = "publish it with `bands publish --alias challenger`"


@dataclass(frozen=True, slots=True)
class Registered:
    """Answers of one look at the registry; `problem` is why there was none."""

    problem: str | None = None
    version: str | None = None
    run: str | None = None
    """Status of the run that the version, or else the bundle's hash, leads to."""
    torn: tuple[str, ...] = ()
    """Horizons whose pinned model version is missing or of another bundle."""

    def answers(self) -> Check:
        """Infrastructure stable: the registry answers."""
        if self.problem is not None:
            return Check("registry_answers", "fail", self.problem, source=SOURCE)
        return Check("registry_answers", "pass", "the registry answers", source=SOURCE)

    def tracking(self) -> Check:
        """Tracking active: a run is found by the bundle's hash."""
        name = "tracking_active"
        if self.problem is not None:
            return Check(name, "unknown", "the registry does not answer", source=SOURCE)
        if self.run is None:
            return Check(name, "fail", f"no run of this bundle's hash; {PUBLISH}", source=SOURCE)
        told = f"the run of this bundle's hash is {self.run}"
        return Check(name, "pass" if self.run == "FINISHED" else "fail", told, source=SOURCE)

    def versioned(self) -> Check:
        """Artifacts versioned: a bundle version with this hash pins four horizon models of it."""
        name = "artifacts_versioned"
        if self.problem is not None:
            return Check(name, "unknown", "the registry does not answer", source=SOURCE)
        if self.version is None:
            return Check(name, "fail", f"no version with this bundle's hash; {PUBLISH}", source=SOURCE)
        if self.torn:
            told = f"version {self.version} pins no model of this bundle for {', '.join(self.torn)}"
            return Check(name, "fail", told, source=SOURCE)
        told = f"{BUNDLE_MODEL} version {self.version} pins four horizon models of this hash"
        return Check(name, "pass", told, source=SOURCE)


def look_up(tracking_uri: str, bundle_sha256: str, timeout_s: float = 3.0) -> Registered:
    """Ask the registry; one that is not there is an answer too, never an error, and is not created."""
    database = database_file(tracking_uri)
    if database is not None and not database.is_file():
        return Registered(f"there is no registry in the workspace; {PUBLISH}")
    try:
        with registry(tracking_uri, timeout_s) as client:
            version = next(
                (
                    found
                    for found in client.search_model_versions(f"name = '{BUNDLE_MODEL}'")
                    if found.tags.get(SHA256_TAG) == bundle_sha256
                ),
                None,
            )
            if version is None:
                return Registered(run=_tagged_run(client, bundle_sha256))
            torn = tuple(f"T{h}" for h in HORIZONS if not _pinned(client, version, h, bundle_sha256))
            return Registered(
                version=str(version.version), run=str(client.get_run(version.run_id).info.status), torn=torn
            )
    except RegistryError as error:
        # The first words of a client's error name the address, which may hold credentials.
        return Registered(f"the registry does not answer ({type(error.__cause__).__name__})")


def _pinned(client: Any, version: Any, horizon: int, bundle_sha256: str) -> bool:
    pin = version.tags.get(f"T{horizon}_version")
    found = client.search_model_versions(f"name = '{horizon_model(horizon)}'")
    return any(str(one.version) == pin and one.tags.get(SHA256_TAG) == bundle_sha256 for one in found)


def _tagged_run(client: Any, bundle_sha256: str) -> str | None:
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.`{SHA256_TAG}` = '{bundle_sha256}'", max_results=1)
    return str(runs[0].info.status) if runs else None
