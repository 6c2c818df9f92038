"""A registry without a server is there as a whole or not at all, whoever opens it first."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from offline.registry import RegistryError, database, find_champion, registry, sqlite_uri
from worker.registry import FetchError, RegistrySettings, fetch_lineup

OPEN = """
import sys
from offline.registry import registry
with registry(sys.argv[1]) as client:
    client.search_registered_models()
    print([one.name for one in client.search_experiments()])
"""

DIE_AT = """
import os, pathlib, signal, sys, threading, time
def die():
    draft, size = pathlib.Path(sys.argv[2]), int(sys.argv[3])
    while not (draft.exists() and draft.stat().st_size >= size):
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=die, daemon=True).start()
"""


def opening(uri: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", OPEN, uri], stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if not one.name.endswith(".lock"))


def test_processes_that_open_a_new_registry_at_once_all_find_it(tmp_path: Path) -> None:
    children = [opening(sqlite_uri(tmp_path)) for _ in range(3)]
    for child in children:
        told, _ = child.communicate(timeout=300)
        assert (child.returncode, told) == (0, "['Default']\n")
    assert names(tmp_path) == ["mlflow.db"]


@pytest.mark.parametrize("written", [1, 500_000])
def test_killed_while_it_is_made_it_is_made_anew(tmp_path: Path, written: int) -> None:
    uri = sqlite_uri(tmp_path)
    draft = tmp_path / ".mlflow.db.draft"
    doomed = subprocess.run([sys.executable, "-c", DIE_AT + OPEN, uri, str(draft), str(written)], timeout=300)
    assert doomed.returncode == -signal.SIGKILL
    assert names(tmp_path)[0] == ".mlflow.db.draft", "what is half made has not the registry's name"
    with registry(uri) as client:
        assert [one.name for one in client.search_experiments()] == ["Default"]
    assert names(tmp_path) == ["mlflow.db"]


def test_a_worker_waits_for_a_registry_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"no registry at .*; publish a bundle"):
        asyncio.run(fetch_lineup(RegistrySettings(sqlite_uri(tmp_path), tmp_path / "cache")))
    assert names(tmp_path) == ["cache"]


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(RegistryError, match="not a database"):
        find_champion(sqlite_uri(tmp_path), "champion")


def test_a_database_that_somebody_else_makes_meanwhile_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mlflow.db"
    make = database._make

    def overtaken(draft: Path) -> None:
        make(draft)
        file.write_bytes(b"theirs")

    monkeypatch.setattr(database, "_make", overtaken)
    database.ensure_database(sqlite_uri(tmp_path))
    assert file.read_bytes() == b"theirs"
    assert names(tmp_path) == ["mlflow.db"]


def test_where_there_are_no_hard_links_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    with registry(sqlite_uri(tmp_path)) as client:
        assert [one.name for one in client.search_experiments()] == ["Default"]
    assert names(tmp_path) == ["mlflow.db"]
