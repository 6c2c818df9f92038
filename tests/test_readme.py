"""Every snippet of the README runs, and every command it shows is one there is."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from ops.cli.app import COMMANDS, app
from tests.market import TestMarket
from worker.arrival import Arrival
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def commands() -> list[list[str]]:
    lines = [
        line.split("  #")[0] for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()
    ]
    return [shlex.split(line) for line in lines if line.strip()]


def test_the_readme_says_two_commands_first() -> None:
    assert blocks("bash")[0].splitlines() == ["make demo", "make test"]


@pytest.mark.parametrize("words", [w for w in commands() if w[0] == "bands"], ids=" ".join)
def test_every_bands_command_exists_with_the_options_shown(words: list[str]) -> None:
    assert words[1] in COMMANDS
    command = words[1:3] if words[1] == "bench" else words[1:2]
    told = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 0, told.output
    for option in (word for word in words if word.startswith("--")):
        assert option in told.output


@pytest.mark.parametrize("source", blocks("python"), ids=["ten lines", "faststream"])
def test_every_python_snippet_prints_bands(source: str, market: TestMarket, embedded_url: str) -> None:
    bars = market.bars(3, symbols=("AAA",))
    arrivals = [Arrival(f"{n}-0", {}, bar) for n, bar in enumerate(bars, 1)]
    with Redis.from_url(embedded_url) as client:
        for event in Engine(Lineup(market.bundle)).run(State(), arrivals).events:
            client.xadd(event.stream, {"data": event.payload})
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        env={**os.environ, "REDIS_URL": embedded_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        spoken = (process.stdout.readline() for _ in range(20))  # FastStream logs between them
        lines = list(itertools.islice((line for line in spoken if line.startswith("AAA 2020-")), 3))
    finally:
        process.kill()
        process.wait()
    assert len(lines) == 3
    assert all("q05=" in line for line in lines), lines


def test_the_ten_line_subscriber_has_ten_lines() -> None:
    assert len(blocks("python")[0].strip().splitlines()) <= 10
