"""What the gates ask for: thresholds in a TOML file, the default beside this module."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadInputError
from offline.gates.bound import Bound

DEFAULT_POLICY = Path(__file__).with_name("policy.toml")

GateName = Literal["cv_quality", "out_of_sample", "technical", "production"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CvQuality(_Section):
    """Gate 1."""

    pinball: Bound
    coverage_90: Bound
    variance_between_folds: Bound
    crossing_rate: Bound


class OutOfSample(_Section):
    """Gate 2."""

    coverage_90: Bound
    coverage_50: Bound
    calibration_error: Bound
    winkler_90_to_har_rv: Bound
    scored_share: Bound


class Production(_Section):
    """Gate 4."""

    latency_ms: Bound
    memory_mb: Bound


class EvidenceRule(_Section):
    """Which results count as being about a bundle."""

    unvalidated_days: Annotated[int, Field(ge=0)]
    """Days a bundle may have been trained beyond the last validated bar."""


class GoLive(_Section):
    """How many gates must pass, and which always."""

    gates: Annotated[int, Field(ge=0, le=4)]
    always: tuple[GateName, ...]


class Kpi(_Section):
    """What is asked and what is wished."""

    minimum: Bound
    ideal: Bound


class Kpis(_Section):
    """Told beside the gates; they decide nothing."""

    pinball: Kpi
    coverage_90: Kpi
    mae: Kpi
    ic: Kpi
    crossing_rate: Kpi
    training_seconds: Kpi
    latency_ms: Kpi


class Policy(_Section):
    """Every threshold."""

    cv_quality: CvQuality
    out_of_sample: OutOfSample
    production: Production
    evidence: EvidenceRule
    go_live: GoLive
    kpis: Kpis


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy and the file it was read from: its name and hash, and whether it is the default."""

    policy: Policy
    name: str
    sha256: str
    is_default: bool


def load_policy(path: Path | None = None) -> PolicyFile:
    """The default policy, with the values of `path` over it.

    Raises:
        BadInputError: not TOML, an unknown key (the nearest is named), or a threshold that is none.
    """
    values = _read(DEFAULT_POLICY)
    if path is not None:
        own = _read(path)
        _refuse_unknown(own, values, path)
        values = _over(values, own)
    try:
        policy = Policy.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise BadInputError(
            f"expected a threshold at {where} of {path or DEFAULT_POLICY.name}, found {first['input']!r}: "
            f"{reason}; `bands gates --show-policy` prints one that is valid"
        ) from error
    source = path or DEFAULT_POLICY
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    return PolicyFile(policy, source.name, sha256, path is None or policy == load_policy().policy)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"expected a policy at {path}, found: {error.strerror or error}") from error
    except ValueError as error:
        raise BadInputError(f"expected TOML in {path}, found: {error}; correct it there") from error


def _refuse_unknown(own: Mapping[str, Any], known: Mapping[str, Any], path: Path, at: str = "") -> None:
    for key, value in own.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            advice = f"the nearest is {at}{near[0]}" if near else f"the known ones are {', '.join(known)}"
            raise BadInputError(f"expected a known key in {path}, found {at}{key}: {advice}")
        if _is_section(known[key]):
            if not isinstance(value, Mapping):
                raise BadInputError(f"expected {at}{key} to be a section in {path}, found {value!r}")
            _refuse_unknown(value, known[key], path, f"{at}{key}.")


def _over(values: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `values`; a threshold is replaced whole, since below and between exclude each other."""
    merged = dict(values)
    for key, value in own.items():
        merged[key] = _over(values[key], value) if _is_section(values[key]) else value
    return merged


def _is_section(value: Any) -> bool:
    return isinstance(value, Mapping) and not set(value) & set(Bound.model_fields)
