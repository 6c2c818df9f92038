"""The README says two commands first, and every Python snippet of every page prints bands."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from tests.docs.pages import TESTED_BY, Block, blocks, blocks_of, pages
from tests.market import TestMarket
from worker.arrival import Arrival
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State

README = pages()[0]
SNIPPETS = [
    block for block in blocks("python") if block.page not in TESTED_BY and block.told("not run") is None
]


def readme(kind: str) -> list[Block]:
    return [block for block in blocks_of(README) if block.kind == kind]


def test_the_readme_says_two_commands_first() -> None:
    assert readme("bash")[0].commands == ["make demo", "make test"]


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: block.where)
def test_every_python_snippet_prints_bands(
    block: Block, market: TestMarket, embedded_url: str, tmp_path: Path
) -> None:
    bars = market.bars(3, symbols=("AAA",))
    arrivals = [Arrival(f"{n}-0", {}, bar) for n, bar in enumerate(bars, 1)]
    with Redis.from_url(embedded_url) as client:
        for event in Engine(Lineup(market.bundle)).run(State(), arrivals).events:
            client.xadd(event.stream, {"data": event.payload})
    process = subprocess.Popen(
        [sys.executable, "-c", block.body],
        cwd=tmp_path,
        env={**os.environ, "REDIS_URL": embedded_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        spoken = (process.stdout.readline() for _ in range(20))  # libraries may log between them
        lines = list(itertools.islice((line for line in spoken if line.startswith("AAA 2020-")), 3))
    finally:
        process.kill()
        process.wait()
    assert len(lines) == 3
    assert all("q05=" in line for line in lines), lines


def test_the_ten_line_subscriber_has_ten_lines() -> None:
    assert len(readme("python")[0].body.strip().splitlines()) <= 10
