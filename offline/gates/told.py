"""A gates report read back by whoever acts on it: believed only where it agrees with itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadInputError
from contracts.model.bundle.manifest import Sha256
from offline.gates.check import Status, together
from offline.gates.policy import PolicyFile
from offline.gates.report import GATES_SCHEMA, against
from offline.gates.source import Source, parse, read_json

GATES = ("cv_quality", "out_of_sample", "technical", "production")


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Check(_Told):
    status: Status


class _Gate(_Told):
    name: str
    status: Status
    checks: tuple[_Check, ...] = Field(min_length=1)


class _Decision(_Told):
    asked: int
    always: tuple[str, ...]


class _Bundle(_Told):
    sha256: Sha256


class _File(_Told):
    sha256: Sha256


class _Sources(_Told):
    results: _File
    policy: _File


class ToldGates(_Told):
    """What a report says of which bundle, from which results, under which policy."""

    go: bool
    decision: _Decision
    bundle: _Bundle
    sources: _Sources
    gates: tuple[_Gate, ...]


def read_gates(path: Path, bundle_sha256: str, results_sha256: str) -> tuple[Source, ToldGates]:
    """The report at `path`, which must be about this bundle and these results.

    Raises:
        BadInputError: not such a report, about another bundle or other results, or with a verdict that
            does not follow from its own checks.
    """
    source, told = read_json(path, "a report of `bands gates`", GATES_SCHEMA)
    report = parse(ToldGates, told, "gates report", path)
    for what, found, wanted in (
        ("bundle", report.bundle.sha256, bundle_sha256),
        ("results file", report.sources.results.sha256, results_sha256),
    ):
        if found != wanted:
            raise BadInputError(
                f"expected a gates report about {what} {wanted[:12]} in {path}, found one about "
                f"{found[:12]}; run `bands gates` on this bundle with these results"
            )
    statuses = [(gate.name, gate.status) for gate in report.gates]
    follows = tuple(name for name, _ in statuses) == GATES and all(
        gate.status == together(check.status for check in gate.checks) for gate in report.gates
    )
    if not follows or report.go != (not against(statuses, report.decision.asked, report.decision.always)):
        raise BadInputError(
            f"expected a verdict that follows from the checks in {path}, found one that does not: the file "
            "was altered; run `bands gates` again"
        )
    return source, report


def require_policy(report: ToldGates, policy: PolicyFile, path: Path) -> None:
    """Raise `BadInputError` unless `policy` is the one the report at `path` was judged by."""
    if report.sources.policy.sha256 != policy.sha256:
        raise BadInputError(
            f"expected the policy that {path} was judged by, found {policy.name} {policy.sha256[:12]}, not "
            f"{report.sources.policy.sha256[:12]}; give it with --policy"
        )
