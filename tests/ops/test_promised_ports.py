"""Ports that several launchers pick at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.embedded import free_port, ports, promised

PICK = """
import sys
from ops.embedded import free_port, ports
ports.LAST = ports.FIRST + 120
print(*[free_port() for _ in range(25)])
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of one's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_processes_that_pick_at_once_never_get_the_same() -> None:
    pickers = [
        subprocess.Popen([sys.executable, "-c", PICK], stdout=subprocess.PIPE, text=True) for _ in "abc"
    ]
    picked = [port for one in pickers for port in one.communicate(timeout=120)[0].split()]
    assert len(picked) == 75
    assert len(set(picked)) == 75


def test_a_port_is_given_again_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    assert not promised.promise(port)
    monkeypatch.setattr(promised, "KEPT_S", 0.0)
    assert promised.promise(port)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"20000": "x"}'])
def test_a_damaged_list_is_begun_anew(folder: Path, text: str) -> None:
    first = free_port()
    (file,) = folder.glob("*/ports.json")
    file.write_text(text)
    second = free_port()
    assert set(json.loads(file.read_text())) == {str(second)}
    assert ports.FIRST <= first < ports.LAST


def test_a_folder_that_others_may_write_is_left_alone(folder: Path) -> None:
    free_port()
    (ours,) = folder.iterdir()
    (ours / "ports.json").unlink()
    ours.chmod(0o777)
    assert promised.promise(20_000)
    assert promised.promise(20_000)
    assert not (ours / "ports.json").exists()
