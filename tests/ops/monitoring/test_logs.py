"""Logs: JSON for machines, text for people, credentials for nobody."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ops.logs import NOISY, set_up
from ops.settings import Settings


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Give the root logger back as it was."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in NOISY}
    yield
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    logging.captureWarnings(False)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


Captured = pytest.CaptureFixture[str]


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_away_from_a_terminal_each_line_is_json(capsys: Captured) -> None:
    set_up(Settings(), fields={"service": "worker", "partition": 3})
    logging.getLogger("worker.partition").warning("took %d bars", 5, extra={"entry": "7-0", "lease": "1:a"})
    (told,) = lines(capsys.readouterr().err)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "WARNING",
        "logger": "worker.partition",
        "message": "took 5 bars",
        "service": "worker",
        "partition": 3,
        "entry": "7-0",
        "lease": "1:a",
    }


def test_on_a_terminal_it_is_text(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    set_up(Settings())
    logging.getLogger("x").info("told", extra={"entry": "7-0"})
    assert capsys.readouterr().err.endswith(" INFO x told [entry 7-0]\n")


def test_an_exception_is_fields_of_one_line(capsys: Captured) -> None:
    set_up(Settings(log={"format": "json"}))
    error = ValueError("two\nlines at redis://me:hunter2@db:1")
    logging.getLogger("x").error("failed", exc_info=error)
    (told,) = lines(capsys.readouterr().err)
    assert told["error_type"] == "ValueError"
    assert told["error"] == "two\nlines at redis://***@db:1"
    assert "ValueError: two" in told["stack"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_credentials_are_masked_wherever_they_stand(capsys: Captured, form: str) -> None:
    set_up(Settings(log={"format": form}))
    log = logging.getLogger("x")
    log.warning("at %s", "rediss://me:hunter2@db:6380/0")
    log.warning("more", extra={"url": "https://me:hunter2@r/", "nested": {"a": ["redis://u:hunter2@h"]}})
    log.error("failed", exc_info=OSError("no redis://me:hunter2@db"))
    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert told.count("***@") >= 2, "expected them to be there, masked"
    if form == "json":
        assert len(lines(told)) == 3


def test_level_and_noise(capsys: Captured) -> None:
    set_up(Settings(log={"level": "WARNING", "format": "json"}))
    logging.getLogger("x").info("unheard")
    logging.getLogger("uvicorn.error").info("unheard")
    set_up(Settings(log={"level": "WARNING", "format": "json"}), verbose=True)
    logging.getLogger("x").debug("heard")
    assert [one["message"] for one in lines(capsys.readouterr().err)] == ["heard"]


def test_what_is_no_json_is_told_as_text(capsys: Captured) -> None:
    set_up(Settings(log={"format": "json"}))
    logging.getLogger("x").warning("odd", extra={"what": {1, 2}, "when": object, "n": 1.5, "none": None})
    (told,) = lines(capsys.readouterr().err)
    assert (told["what"], told["n"], told["none"]) == ("{1, 2}", 1.5, None)


def test_the_end_of_a_process_by_an_exception_is_json_too() -> None:
    code = (
        "from ops.logs import set_up\n"
        "from ops.settings import Settings\n"
        "set_up(Settings(log={'format': 'json'}), fields={'service': 'feed'})\n"
        "raise RuntimeError('redis://u:hunter2@db')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    told = json.loads(done.stderr)
    assert (told["level"], told["error_type"], told["service"]) == ("CRITICAL", "RuntimeError", "feed")
    assert "hunter2" not in done.stderr
    assert done.returncode == 1
