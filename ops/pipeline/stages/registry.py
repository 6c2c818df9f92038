"""The bundle in the registry: first without an alias, for the gates to find; then, on a go, behind one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contracts.files import write_json
from contracts.model.bundle import verify_bundle
from offline.dataset import Progress
from offline.gates import look_up
from offline.registry import publish
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work
from ops.security.signing import trusted_of
from ops.settings.sources import mask


def _inputs(work: Work) -> dict[str, Any]:
    return {"registry": mask(work.settings.registry_uri)}


def _to_registry(work: Work, file: Path, alias: str | None, progress: Progress) -> Done:
    published = publish(
        work.bundle,
        work.settings.registry_uri,
        artifacts=work.artifacts,
        alias=alias,
        trusted=trusted_of(work.settings),
        progress=progress,
    )
    told = {
        "name": published.name,
        "version": published.version,
        "label": published.label,
        "horizons": {f"T{horizon}": version for horizon, version in published.horizons.items()},
        "alias": alias,
    }
    write_json(file, told)
    where = f"{published.name} version {published.version}"
    return Done([file], where if alias is None else f"@{alias} points at {where}")


def _register(work: Work, progress: Progress) -> Done:
    return _to_registry(work, work.folder / "registered.json", None, progress)


def _publish(work: Work, progress: Progress) -> Done:
    return _to_registry(work, work.folder / "published.json", work.options.alias, progress)


def _gone(work: Work) -> str | None:
    _, sha256, _ = verify_bundle(work.bundle)
    found = look_up(work.settings.registry_uri, sha256, work.settings.registry.timeout_s)
    if found.problem is not None:
        return found.problem.partition(";")[0]
    return "the registry does not hold the bundle" if found.version is None or found.torn else None


REGISTER = Stage("register", ("train",), _inputs, _register, gone=_gone)
PUBLISH = Stage(
    "publish",
    ("register", "gates"),
    lambda work: _inputs(work) | {"alias": work.options.alias},
    _publish,
    needs_go=True,
)
