"""`bands hpo` as a user meets it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from offline.hpo import load_best_params
from offline.ingest import write_bars
from ops.cli.horizons import chosen_horizons
from tests.offline.hpo.tiny import market


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "ops.cli", "hpo", *map(str, words)]


def bands(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (history,) = market()[1]
    write_bars(history, folder / "sim_AAA_4h.parquet")
    write_bars(history.between(None, int(history.open_time[500])), folder / "short_AAA_4h.parquet")
    return folder


def test_interrupted_resumed_and_loaded(home: Path) -> None:
    words = ("--bars", "sim_AAA_4h.parquet", "--horizons", "42", "60", "--trials", "40", "--json")
    process = subprocess.Popen(
        command(*words),
        cwd=home,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore SIGINT, and so would this child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = home / "var" / "hpo" / "journal.log"
    deadline = time.monotonic() + 300
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 130, told
    assert "goes on from there" in " ".join(told.split())
    done = bands(home, *words)
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    assert [r["horizon_bars"] for r in results] == [42, 60]
    for result in results:
        assert result["n_trials"] == 40
        assert load_best_params(Path(result["file"])).rounds == result["best_params"]["rounds"]
    assert done.stderr.count("40 trials logged") == 2
    plain = bands(home, *words[:-1])
    assert "T60" in plain.stdout
    assert "40/40" in plain.stderr
    assert plain.stderr.count(" 0 trials logged") == 2


def test_horizons_in_every_spelling() -> None:
    assert chosen_horizons(["42,60", "48"]) == [42, 60, 48]
    assert chosen_horizons(["42", "42"]) == [42]
    assert chosen_horizons(None) == [42, 48, 54, 60]
    with pytest.raises(ValueError, match="found '43'"):
        chosen_horizons(["43"])


def test_a_registry_that_is_down_loses_nothing(home: Path) -> None:
    words = ("--bars", "sim_AAA_4h.parquet", "--horizons", "54", "--trials", "2", "--out", "down")
    done = bands(home, *words, "--tracking-uri", "http://127.0.0.1:9")
    told = " ".join(done.stderr.split())
    assert done.returncode == 4, told
    assert "its results are written; the same command again logs what is missing" in told
    assert json.loads((home / "down" / "best_params_T=54.json").read_text())["n_trials"] == 2
    logged = bands(home, *words)
    assert logged.returncode == 0
    assert "2 trials logged" in logged.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--bars", "short_AAA_4h.parquet"], "use more history"),
        (["--bars", "sim_AAA_4h.parquet", "--horizons", "41"], "--horizons among 42, 48, 54, 60"),
        (["--bars", "sim_AAA_4h.parquet", "--symbols", "BBB"], "found BBB"),
        (["--bars", "sim_AAA_4h.parquet", "--threads", "all"], "published"),
        (["--bars", "sim_AAA_4h.parquet", "--storage", "notes.txt"], "notes.txt"),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(home: Path, words: list[str], told: str) -> None:
    (home / "notes.txt").write_text("not a journal\n")
    done = bands(home, *words, "--out", "wrong")
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 3, output
    assert told in output
    assert "Traceback" not in output
    assert (home / "notes.txt").read_text() == "not a journal\n"
