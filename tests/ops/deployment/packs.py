"""Packages that may be deployed: a bundle, evidence about it that says go, and both roles' sign-offs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from contracts.model.bundle import verify_bundle, write_bundle
from offline.gates import (
    Evidence,
    Registered,
    approve,
    examine,
    judge,
    load_policy,
    read_results,
    write_report,
)
from offline.gates.approvals import ROLES
from offline.gates.production import METRICS
from offline.package import Package, PackageInputs, build_package
from tests.offline.gates.evidence import POLICY, good_results, save

PEOPLE = dict(zip(ROLES, ("Ada Lovelace", "Grace Hopper"), strict=True))


def make_bundle(folder: Path, source: Path, version: str) -> Path:
    """The bundle in `source` under another version, and so with another hash."""
    manifest, _, files = verify_bundle(source)
    return write_bundle(folder / version, manifest.model_copy(update={"version": version}), files)


def make_package(
    home: Path, source: Path, version: str, *, roles: tuple[str, ...] = ROLES, out: Path | None = None
) -> Package:
    """A package of the bundle in `source` as `version`, signed by `roles`, in the workspace `home`/var."""
    bundle = make_bundle(home / "bundles", source, version)
    manifest, sha256, _ = verify_bundle(bundle)
    evidence_of = home / "evidence" / version
    results = save(good_results(manifest), evidence_of / "wf" / "results.json")
    (evidence_of / "own.toml").write_text(POLICY)
    policy = load_policy(evidence_of / "own.toml")
    evidence = Evidence(
        examine(bundle), read_results(results), Registered(version="1", run="FINISHED"), METRICS
    )
    report = judge(evidence, policy)
    assert report["go"]
    write_report(report, evidence_of / "gates.json")
    for role in roles:
        approve(
            evidence_of / "approvals",
            role=role,
            name=PEOPLE[role],  # type: ignore[index]
            time=datetime(2024, 5, 1, tzinfo=UTC),
            note="",
            bundle_sha256=sha256,
            results_sha256="c" * 64,
            gates_sha256="d" * 64,
        )
    inputs = PackageInputs(
        bundle,
        evidence_of / "wf",
        gates=evidence_of / "gates.json",
        policy=evidence_of / "own.toml",
        approvals=evidence_of / "approvals",
    )
    return build_package(inputs, version, out or home / "var" / "packages")
