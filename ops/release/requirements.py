"""What a challenger must bring before it may be promoted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import BadInputError
from offline.gates import REPORT, ToldGates, read_gates, require_signoff
from offline.registry import Registered
from ops.settings import Settings

DEPTH = 4
"""A retraining keeps its report in a folder of its own, a pipeline too."""


def unmet(settings: Settings, challenger: Registered, gates: Path | None = None) -> list[str]:
    """Why this challenger may not be promoted, as far as gates and sign-offs go; empty when it may.

    `gates` names the report; without it the newest one about this bundle in the workspace counts.
    """
    reasons = []
    if settings.release.require_gates:
        reasons += _gates(settings, challenger, gates)
    if settings.release.require_signoff:
        try:
            require_signoff(settings.workspace_path / "approvals", challenger.sha256)
        except BadInputError as error:
            reasons.append(str(error))
    return reasons


def _gates(settings: Settings, challenger: Registered, gates: Path | None) -> list[str]:
    try:
        report = _read(gates, challenger.sha256) if gates else _newest(settings, challenger.sha256)
    except BadInputError as error:
        return [str(error)]
    if report is None:
        return [
            f"expected a quality gates report about {challenger.label} in {settings.workspace_path}, found "
            "none; run `bands gates`, or name it with --gates"
        ]
    if not report.go:
        failed = [gate.name for gate in report.gates if gate.status != "pass"]
        return [f"the quality gates say no-go to {challenger.label}: {', '.join(failed)}"]
    return []


def _newest(settings: Settings, sha256: str) -> ToldGates | None:
    for path in sorted(_reports(settings.workspace_path), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            return _read(path, sha256)
        except BadInputError:  # about another bundle, or no report at all
            continue
    return None


def _reports(workspace: Path) -> Iterator[Path]:
    for depth in range(DEPTH):
        yield from workspace.glob("*/" * depth + REPORT)


def _read(path: Path, sha256: str) -> ToldGates:
    try:
        results = json.loads(path.read_bytes())["sources"]["results"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"expected a report of `bands gates` in {path}, found: {error}; run `bands gates`"
        ) from error
    return read_gates(path, sha256, str(results))[1]
