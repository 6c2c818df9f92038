"""The package against this machine: hashes, Python, libraries, gates, sign-offs, signature."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.model.bundle.folder import MANIFEST
from contracts.model.bundle.signature import SIGNATURE, TrustedKeys
from ops.deployment.finding import Finding
from ops.deployment.package import Opened, signoffs
from ops.settings import Settings

SHOWN = 4


def package_findings(package: Opened, settings: Settings) -> Iterator[Finding]:
    """Everything that can be said without a server."""
    manifest, bundle = package.verified.manifest, package.bundle
    yield Finding(
        "package",
        "pass",
        f"{manifest.name}: {len(manifest.files)} files as packed, manifest sha256 "
        f"{package.verified.sha256[:12]}",
    )
    yield Finding("bundle", "pass", f"{bundle.label}: every hash and the feature spec agree")
    yield python(package.python)
    yield libraries(package.folder)
    yield gates(manifest.go)
    yield signed_off(package, settings)
    yield signature(package.folder / "models", settings)


def python(wanted: str | None) -> Finding:
    """The interpreter's version against the one the package was made with."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    told = f"{sys.implementation.name} {platform.python_version()} on {sys.platform} {platform.machine()}"
    if wanted is None:
        return Finding("python", "unknown", f"{told}; the package does not say what it was made with")
    if here != wanted:
        return Finding(
            "python",
            "fail",
            f"{told}, the package was made with {wanted}",
            f"use Python {wanted}, or pack anew",
        )
    return Finding("python", "pass", told)


def libraries(folder: Path) -> Finding:
    """Installed versions against `requirements.txt`: pins that differ serve other numbers or none."""
    wanted = pins(folder / "requirements.txt")
    absent, other = [], []
    for name, pin in wanted.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            absent.append(f"{name} {pin}")
            continue
        if found != pin:
            other.append(f"{name} {found} instead of {pin}")
    if not absent and not other:
        return Finding("libraries", "pass", f"all {len(wanted)} pinned versions are installed")
    shown = [*(f"no {one}" for one in absent), *other]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return Finding(
        "libraries",
        "fail" if absent else "warn",
        "; ".join(shown[:SHOWN]) + more,
        "pip install -r requirements.txt, from inside the unpacked package",
    )


def pins(requirements: Path) -> dict[str, str]:
    """Name → version of every `name==version` line."""
    lines = (line.split("#")[0].strip() for line in requirements.read_text().splitlines())
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("."))


def gates(go: bool | None) -> Finding:
    """What the gates report inside says; `package` has verified that it is about this bundle."""
    if go is None:
        return Finding(
            "quality gates",
            "fail",
            "no gates report in the package",
            "run `bands gates`, then pack with --gates",
        )
    if not go:
        return Finding(
            "quality gates", "fail", "no-go", "look at docs/quality_gates_report.json; do not deploy"
        )
    return Finding("quality gates", "pass", "go")


def signed_off(package: Opened, settings: Settings) -> Finding:
    """Whether both roles have signed this very bundle."""
    try:
        found = signoffs(package.folder, package.bundle.sha256, settings)
    except BadInputError as error:
        return Finding("sign-offs", "fail", str(error).partition(";")[0], "`bands approve`, as both roles")
    told = ", ".join(f"{one.name} ({one.role}, {one.time:%Y-%m-%d})" for one in found)
    return Finding("sign-offs", "pass", told)


def signature(bundle: Path, settings: Settings) -> Finding:
    """The bundle's ed25519 signature, where keys are configured."""
    trusted: Any = getattr(getattr(settings, "signing", None), "trusted_keys", ())
    file = bundle / SIGNATURE
    if not trusted:
        told = "signed; " if file.is_file() else "not signed; "
        return Finding(
            "signature",
            "warn",
            told + "no trusted keys are configured",
            "set signing.trusted_keys: only yours serve",
        )
    signed = file.read_bytes() if file.is_file() else None
    try:
        keys = TrustedKeys.of(tuple(trusted))
        assert keys is not None
        by = keys.verify((bundle / MANIFEST).read_bytes(), signed, bundle.parent.name)
    except BadInputError as error:
        told, _, advice = str(error).partition("; ")
        return Finding("signature", "fail", told, advice)
    return Finding("signature", "pass", f"signed by trusted key {by}")
