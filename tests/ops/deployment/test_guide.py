"""What DEPLOYMENT_GUIDE.md shows exists, and its snippets run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.topics import Topics
from ops.cli.app import COMMANDS, app
from ops.deployment.backup import back_up
from ops.deployment.deploy import STEPS
from ops.deployment.record import Before
from ops.settings import Settings

GUIDE = Path(__file__).parents[3] / "docs" / "DEPLOYMENT_GUIDE.md"
TEXT = GUIDE.read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


COMMAND_LINES = [shlex.split(line) for block in blocks("bash") for line in block.splitlines()]


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_every_command_exists_with_the_options_shown(words: list[str]) -> None:
    assert words[0] == "bands"
    if words[1] not in COMMANDS:
        pytest.skip(f"`bands {words[1]}` is not built yet")
    told = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 0, told.output
    for option in (word for word in words if word.startswith("--")):
        assert option in told.output, option


def test_shell_blocks_are_shell() -> None:
    for block in blocks("sh"):
        done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_settings_shown_are_settings() -> None:
    (block,) = blocks("toml")
    told = tomllib.loads(block)["deploy"]
    assert Settings(deploy=told).deploy.source == "folder"


def test_every_step_is_described_in_order() -> None:
    table = TEXT.split("| step | does |")[1].split("\n\n")[0]
    assert re.findall(r"^\| ([a-z ]+) \|", table, re.M) == [name for name, _ in STEPS]


def test_the_restore_snippet_restores(
    client: Any, settings: Settings, tmp_path: Path, embedded_url: str
) -> None:
    client.hset(Topics().cursor, "entry", "7-0")
    source = settings.model_copy(update={"deploy": settings.deploy.model_copy(update={"source": "folder"})})
    back_up(source, client, Before(), tmp_path / "var" / "deployments" / "20260101T000000Z-1.0.0" / "backup")
    client.flushall()
    (block,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**os.environ, "BANDS_REDIS__URL": embedded_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "restored up to 7-0\n", done.stderr
    assert client.hget(Topics().cursor, "entry") == b"7-0"
