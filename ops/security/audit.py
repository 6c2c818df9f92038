"""The locked dependencies against published advisories: `python -m ops.security.audit requirements/lock.txt`.

pip-audit asks the advisory service. Where that can not be reached nothing was audited, and this says so;
with `AUDIT_REQUIRED` set it is then a failure. A package the service has never heard of counts as not
audited too: a mirror that answers "not found" to everything must not look like a clean bill of health.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REQUIRED = "AUDIT_REQUIRED"
TIMEOUT_S = 600
SHARE_AUDITED = 0.9
"""Below this share of packages with an answer nothing is claimed."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What came of it: `problem` says why nothing is known, `found` lists package, version and advisories."""

    audited: int = 0
    asked: int = 0
    found: tuple[str, ...] = ()
    problem: str | None = None


def audit(lock: Path) -> Audit:
    """Ask about every package of a lock file with hashes; nothing is installed."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--no-deps"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "15"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Audit(problem=f"no answer of the advisory service within {TIMEOUT_S} s")
    try:
        return judged(json.loads(done.stdout))
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        return Audit(problem=last[0][:300])


def judged(report: Mapping[str, Any]) -> Audit:
    """An audit of what pip-audit reported.

    >>> judged({"dependencies": [{"name": "a", "version": "1", "vulns": []}]})
    Audit(audited=1, asked=1, found=(), problem=None)
    >>> judged({"dependencies": [{"name": "a", "skip_reason": "not found"}]}).problem
    'the advisory service knew 0 of 1 packages'
    """
    packages = report["dependencies"]
    answered = [one for one in packages if "skip_reason" not in one]
    found = tuple(
        f"{one['name']} {one['version']}: {', '.join(_advice(vuln) for vuln in one['vulns'])}"
        for one in answered
        if one["vulns"]
    )
    problem = None
    if not found and len(answered) < SHARE_AUDITED * max(1, len(packages)):
        problem = f"the advisory service knew {len(answered)} of {len(packages)} packages"
    return Audit(len(answered), len(packages), found, problem)


def _advice(vuln: Mapping[str, Any]) -> str:
    fixed = ", ".join(vuln.get("fix_versions") or ()) or "no release yet"
    return f"{vuln['id']} (fixed in {fixed})"


def main(lock: Path) -> int:
    """Tell the audit of a lock file; 0 nothing known, or not required to know; 1 otherwise."""
    made = audit(lock)
    for line in made.found:
        sys.stderr.write(f"vulnerable: {line}\n")
    if made.problem is not None:
        required = bool(os.environ.get(REQUIRED))
        sys.stderr.write(
            f"\n*** DEPENDENCIES WERE NOT AUDITED: {made.problem}.\n*** Run `make audit` where the advisory "
            f"service can be reached; {REQUIRED}=1 makes this a failure.\n\n"
        )
        return 1 if required else 0
    sys.stdout.write(
        f"{made.audited} of {made.asked} locked packages audited, {len(made.found)} vulnerable\n"
    )
    return 1 if made.found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
