"""The scans: a planted secret is found, and a service that is silent gives no clean bill of health."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.security import audit
from ops.security.audit import Audit, judged

ROOT = Path(__file__).resolve().parents[3]
SCAN = ROOT / ".ci" / "secret_scan.py"


def scan(*names: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCAN), *map(str, names)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def test_a_planted_secret_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "settings.py"
    planted.write_text('aws = "AKIA' + "IOSFODNN7EXAMPL" + 'Z"\n-----BEGIN ' + "PRIVATE KEY-----\nx\n")
    done = scan(planted)
    assert done.returncode == 1
    assert "AWS Access Key" in done.stderr
    assert "Private Key" in done.stderr
    assert "AKIA" not in done.stderr


def test_the_package_that_handles_secrets_holds_none() -> None:
    names = [path.relative_to(ROOT) for path in (ROOT / "ops" / "security").glob("*.py")]
    done = scan(*names)
    assert done.returncode == 0, done.stderr


def test_an_advisory_is_told_with_its_cure() -> None:
    told = judged(
        {
            "dependencies": [
                {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]},
                {"name": "b", "version": "1", "vulns": []},
            ]
        }
    )
    assert told == Audit(2, 2, ("a 1: PYSEC-1 (fixed in 2)",), None)


def test_what_was_not_audited_is_said_and_can_be_made_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "audit", lambda lock: Audit(problem="no route"))
    monkeypatch.delenv(audit.REQUIRED, raising=False)
    assert audit.main(Path("lock.txt")) == 0
    assert "NOT AUDITED: no route" in capsys.readouterr().err
    monkeypatch.setenv(audit.REQUIRED, "1")
    assert audit.main(Path("lock.txt")) == 1
