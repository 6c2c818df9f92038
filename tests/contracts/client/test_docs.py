"""What docs/subscribe.md shows is true: its snippets run, its tables name every field there is."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from redis import Redis

from contracts import client
from contracts.client.subscribe import Connection
from contracts.events import Band, NoBandReason, Outcome
from contracts.events.outcome import ShadowScore
from tests.contracts.client.records import band, commit

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "subscribe.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> set[str]:
    """The names in the first column of a section's table."""
    first = re.findall(r"^\| ([^|]*`[^|]*) \|", section(title), re.M)
    return {name for cell in first for name in re.findall(r"`(\w+)`", cell)}


@pytest.fixture
def url(embedded_url: str) -> str:
    with Redis.from_url(embedded_url) as server:
        commit(server, range(3))
        server.hset("latest:AAA", mapping={f"T{h}": band("AAA", 2, h).to_wire() for h in (42, 48, 54, 60)})
    return embedded_url


@pytest.mark.parametrize("source", blocks("python"), ids=["asyncio", "plain", "poll", "transaction"])
def test_every_python_snippet_prints_records(source: str, url: str, tmp_path: Path) -> None:
    wanted = 12 if "asyncio" in source else 4
    root = str(DOCS.parent)
    run = subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={**os.environ, "REDIS_URL": url, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stdout is not None
        lines = [line for _, line in zip(range(wanted), run.stdout, strict=False)]
    finally:
        run.kill()
        run.communicate()
    assert len(lines) == wanted
    assert all(
        re.match(r"(AAA|BBB) 2024-01-01 .*(42|48|54|60) (q05=90\.0 q25=97\.0|stored)", x) for x in lines
    )


@pytest.mark.parametrize("line", blocks("bash")[0].splitlines())
def test_every_shell_line_prints_a_record(line: str, url: str) -> None:
    if shutil.which("redis-cli") is None:
        pytest.skip("redis-cli is not on PATH")
    env = {**os.environ, "REDIS_URL": url}
    told = subprocess.run(line, shell=True, env=env, capture_output=True, text=True, check=True, timeout=30)
    assert '"schema":"band/1"' in told.stdout


def test_every_field_is_explained() -> None:
    aliases = {"schema_": "schema"}
    assert rows("A band record") == {aliases.get(n, n) for n in Band.model_fields}
    assert rows("An outcome") == {aliases.get(n, n) for n in Outcome.model_fields}
    for reason in get_args(NoBandReason):
        assert f"`{reason}`" in section("A band record")
    assert set(ShadowScore.model_fields) - {"bundle"} <= rows("An outcome")


def test_every_keyword_is_explained() -> None:
    own = {
        name
        for name, parameter in inspect.signature(client.subscribe).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert rows("In Python") == own | set(Connection.__annotations__)
    assert rows("Errors") == {"TrimmedError", "NewerSchemaError", "UnavailableError", "BadInputError"}


def test_the_rights_shown_are_the_rights_tested(url: str) -> None:
    (command,) = re.findall(r"^ACL (SETUSER .*)$", TEXT, re.M)
    with Redis.from_url(url) as server:
        words = command.replace(">…", ">hush").split()
        server.execute_command("ACL", *words)
        desk = Redis.from_url(url.replace("//", "//desk:hush@"))
        assert json.loads(desk.xrange("bands.T42", count=1)[0][1][b"data"])["schema"] == "band/1"
        with pytest.raises(Exception, match="permissions"):
            desk.xadd("bands.T42", {"data": "x"})
        with pytest.raises(Exception, match="permissions"):
            desk.xrange("bars.4h")
        desk.close()
        server.acl_deluser("desk")


def test_links_lead_somewhere() -> None:
    for page in (DOCS / "subscribe.md", DOCS / "schema-evolution.md", DOCS.parent / "examples" / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
