"""What goes into a production package: inputs checked against each other, then every file's bytes."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from string import Template
from typing import Any

from contracts.errors import BadInputError
from contracts.model.bundle import SIGNATURE, Manifest, TrustedKeys, read_signature, verify_bundle
from contracts.model.bundle.folder import CALIBRATORS
from contracts.model.bundle.folder import MANIFEST as BUNDLE_MANIFEST
from contracts.model.grid import HORIZONS
from offline.gates import (
    DEFAULT_POLICY,
    REPORT,
    ToldGates,
    about_this_bundle,
    load_policy,
    read_approvals,
    read_gates,
    read_results,
    read_search,
    require_policy,
)
from offline.gates.approvals import approvals_file
from offline.package import hashes
from offline.package.requirements import requirements_text
from offline.package.wheel import PROJECT, project_wheel

PACKAGE_SCHEMA = "package/1"
CALIBRATION = "calibration_optimal.json"
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class PackageInputs:
    """Files and folders a package is made of; what is None is left out."""

    bundle: Path
    results: Path
    hpo: Path | None = None
    gates: Path | None = None
    policy: Path | None = None
    calibration: Path | None = None
    approvals: Path | None = None
    """Folder of sign-offs."""


def gather(
    inputs: PackageInputs, version: str, trusted: TrustedKeys | None = None
) -> tuple[str, dict[str, bytes]]:
    """The package's name and the bytes of its files by path, `manifest.json` among them.

    Raises:
        BadInputError: a bundle that does not verify, results or a gates report about another one, a policy
            those gates did not apply, a file that can not be read, or a broken chain of sign-offs.
    """
    manifest, sha256, bundle_files = verify_bundle(inputs.bundle, trusted)
    name = f"production_v{version}"
    files = {f"models/{path}": data for path, data in bundle_files.items()}
    files[f"models/{BUNDLE_MANIFEST}"] = (inputs.bundle / BUNDLE_MANIFEST).read_bytes()
    if (signature := read_signature(inputs.bundle)) is not None:
        files[f"models/{SIGNATURE}"] = signature
    files["calibrators/calibrators.json"] = bundle_files[CALIBRATORS]
    if inputs.calibration is not None:
        files[f"calibrators/{CALIBRATION}"] = _json(inputs.calibration)
    if inputs.hpo is not None:
        sources, _ = read_search(inputs.hpo)
        files |= {f"configs/{source.name}": _json(inputs.hpo / source.name) for source in sources}
    files["configs/bands.toml"] = (_TEMPLATES / "bands.toml").read_bytes()
    gates = _evidence(inputs, manifest, sha256, files)
    roles = _approvals(inputs, sha256, files)
    status = _status(gates, roles)
    files["scripts/start.sh"] = (_TEMPLATES / "start.sh").read_bytes()
    files["scripts/verify.py"] = Path(hashes.__file__).read_bytes()
    wheel, data = project_wheel()
    project = installed_version(PROJECT)
    files[f"wheels/{wheel}"] = data
    files["requirements.txt"] = requirements_text(wheel, project).encode()
    told = {
        "name": name,
        "label": f"{manifest.version}+{sha256[:12]}",
        "sha256": sha256,
        "symbols": ", ".join(manifest.symbols),
        "horizons": ", ".join(map(str, HORIZONS)),
        "until": f"{max(data.last_open_time for data in manifest.training.values()):%Y-%m-%d %H:%M} UTC",
        "status": status,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "project": project,
        "rows": _rows(files),
    }
    for template, path in (("README.md", "README.md"), ("docs.md", "docs/README.md")):
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        files[path] = Template(text).substitute(told).encode()
    package = {
        "schema": PACKAGE_SCHEMA,
        "name": name,
        "version": version,
        "bundle": {"label": told["label"], "sha256": sha256},
        "go": gates.go if gates else None,
        "signed": roles,
        "project": {"name": PROJECT, "version": project, "wheel": wheel},
        "python": told["python"],
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())},
    }
    text = json.dumps(package, indent=2, sort_keys=True, allow_nan=False)
    files[hashes.MANIFEST] = text.encode() + b"\n"
    return name, files


def _evidence(
    inputs: PackageInputs, manifest: Manifest, sha256: str, files: dict[str, bytes]
) -> ToldGates | None:
    """Put results, gates report and policy among the files, if they are about this bundle."""
    path = inputs.results / "results.json" if inputs.results.is_dir() else inputs.results
    source, results = read_results(path)
    policy = load_policy(inputs.policy)
    about = about_this_bundle(manifest, results, policy.policy.evidence.unvalidated_days)
    if about.status != "pass":
        raise BadInputError(
            f"expected results of bundle {sha256[:12]} in {path}, found {about.detail}; give the results of "
            "its own validation"
        )
    files["docs/results.json"] = path.read_bytes()
    files["configs/gates.toml"] = (inputs.policy or DEFAULT_POLICY).read_bytes()
    if inputs.gates is None:
        return None
    _, gates = read_gates(inputs.gates, sha256, source.sha256)
    require_policy(gates, policy, inputs.gates)
    files[f"docs/{REPORT}"] = inputs.gates.read_bytes()
    return gates


def _approvals(inputs: PackageInputs, sha256: str, files: dict[str, bytes]) -> list[str]:
    if inputs.approvals is None:
        return []
    signed = read_approvals(inputs.approvals, sha256)
    if signed:
        files["docs/approvals.jsonl"] = approvals_file(inputs.approvals, sha256).read_bytes()
    return sorted({approval.role for approval in signed})


def _status(gates: ToldGates | None, roles: list[str]) -> str:
    judged = "not judged by the quality gates" if gates is None else "go" if gates.go else "NO-GO"
    return f"{judged}; signed by {' and '.join(roles) if roles else 'nobody'}."


def _rows(files: dict[str, bytes]) -> str:
    told = {
        f"docs/{REPORT}": "the four gates, check by check",
        "docs/approvals.jsonl": "who signed it off, on what evidence; each line holds the hash of the last",
    }
    rows = [f"| `{path.removeprefix('docs/')}` | {what} |" for path, what in told.items() if path in files]
    return "\n".join(rows) or "| | no gates report and no sign-off were given |"


def _json(path: Path) -> bytes:
    """The bytes of a JSON object without NaN."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant}, which JSON has no text for")

    try:
        raw = path.read_bytes()
        told = json.loads(raw, parse_constant=refuse)
    except OSError as error:
        raise BadInputError(f"expected a file at {path}, found: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"expected JSON in {path}, found: {error}") from error
    if not isinstance(told, dict):
        raise BadInputError(f"expected a JSON object in {path}, found {type(told).__name__}")
    return raw
