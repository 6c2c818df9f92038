"""Publishing: four horizon models and the bundle version that pins them, behind one alias."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.model.bundle import Bundle, TrustedKeys, load_bundle
from contracts.model.grid import HORIZONS
from contracts.registry import BUNDLE_ARTIFACT, BUNDLE_MODEL, CHAMPION, SHA256_TAG
from offline.dataset import Progress, no_progress
from offline.registry.aliases import STAGE_TAG, STAGING, checked_alias, point
from offline.registry.client import registry
from offline.registry.horizon import hpo_tag, register_horizon
from offline.registry.runs import ensure_experiment, ensure_run
from offline.registry.signature import attach_signature
from offline.registry.versions import find_version, make_version


@dataclass(frozen=True, slots=True)
class Published:
    """Where a bundle went: its version in the registry and those of its horizons.

    `is_new` is False when the same bytes had been published before.
    """

    name: str
    version: str
    label: str
    horizons: dict[int, str]
    alias: str | None
    is_new: bool


def sqlite_uri(folder: Path) -> str:
    """The tracking URI of the embedded registry, MLflow on SQLite in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def publish(
    folder: Path,
    tracking_uri: str,
    *,
    artifacts: Path | None = None,
    alias: str | None = CHAMPION,
    trusted: TrustedKeys | None = None,
    progress: Progress = no_progress,
) -> Published:
    """Register a bundle folder and point `alias` at it.

    The same bytes are registered once: publishing them again only moves the alias. The bundle's version is
    made last and pins what is there by then, so one that was cut off leaves none, and the next call goes on
    from the horizons that are finished. Where `champion` moves, `previous` goes to the version it leaves.

    With `trusted` keys one of them must have signed the bundle. Signatures that came later than the bundle
    are brought to its version.

    `artifacts` is where a direct (SQLite) store keeps files; a server decides for itself.

    Raises:
        BundleError: the folder does not verify, or no trusted key has signed it.
        BadInputError: the alias is one MLflow keeps for itself.
        RegistryError: the registry can not be reached or refuses; the same call again goes on.
    """
    if alias is not None:
        checked_alias(alias)
    bundle = load_bundle(folder, trusted=trusted)
    steps = len(HORIZONS) + 2
    if artifacts is not None:
        artifacts.parent.mkdir(parents=True, exist_ok=True)
    with registry(tracking_uri) as client:
        known = find_version(client, BUNDLE_MODEL, bundle.sha256)
        if known is None:
            progress("publishing", 0, steps)
            version, horizons = _register(client, tracking_uri, bundle, folder, artifacts, progress)
        else:
            version = str(known.version)
            attach_signature(client, known, folder)
            horizons = {horizon: known.tags[f"T{horizon}_version"] for horizon in HORIZONS}
        if alias is not None:
            point(client, alias, version)
        progress("publishing", steps, steps)
    return Published(BUNDLE_MODEL, version, bundle.label, horizons, alias, is_new=known is None)


def _register(
    client: Any,
    tracking_uri: str,
    bundle: Bundle,
    folder: Path,
    artifacts: Path | None,
    progress: Progress,
) -> tuple[str, dict[int, str]]:
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    experiment_id = ensure_experiment(client, artifacts)
    key = f"publish-{bundle.sha256}"
    run_id = ensure_run(client, experiment_id, key, f"bundle-{bundle.label}", {SHA256_TAG: bundle.sha256})
    tags = _tags(bundle)
    horizons = {}
    with mlflow.start_run(run_id=run_id) as run:
        mlflow.log_artifacts(str(folder), BUNDLE_ARTIFACT)
        for done, horizon in enumerate(HORIZONS, 1):
            progress("publishing", done, len(HORIZONS) + 2)
            horizons[horizon] = register_horizon(
                mlflow, client, bundle, folder, horizon, experiment_id=experiment_id, parent=run_id, tags=tags
            )
    pins = {f"T{horizon}_version": version for horizon, version in horizons.items()}
    own = {**tags, **pins, "hpo": hpo_tag(bundle, *HORIZONS), "label": bundle.label}
    source = f"{run.info.artifact_uri}/{BUNDLE_ARTIFACT}"
    return make_version(client, BUNDLE_MODEL, source, run_id, own), horizons


def _tags(bundle: Bundle) -> dict[str, str]:
    last = max(data.last_open_time for data in bundle.manifest.training.values())
    return {
        "version": bundle.manifest.version,
        STAGE_TAG: STAGING,
        "date": last.date().isoformat(),
        SHA256_TAG: bundle.sha256,
    }
