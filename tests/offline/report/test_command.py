"""`bands report` as a user calls it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ops.cli.app import app
from tests.offline.report.conftest import Inputs

pytestmark = pytest.mark.xdist_group("report")


def test_the_command_tells_the_verdict_and_both_files(inputs: Inputs) -> None:
    words = ["report", "--results", str(inputs.results), "--bundle", str(inputs.bundle)]
    done = CliRunner().invoke(app, [*words, "--out", str(inputs.loose / "out")])
    assert done.exit_code == 0, done.output
    assert "verdict: NOT DECIDED" in done.output
    assert "6 figures" in done.output
    again = CliRunner().invoke(app, [*words, "--out", str(inputs.loose / "out"), "--json"])
    told = json.loads(again.stdout)
    assert told["verdict"] == "NOT DECIDED"
    assert told["html_bytes"] == (inputs.loose / "out" / "report.html").stat().st_size


def test_a_wrong_file_is_told_in_a_sentence(inputs: Inputs) -> None:
    wrong = inputs.json("gates.json", {"schema": "gates/9"})
    done = CliRunner().invoke(app, ["report", "--results", str(inputs.results), "--gates", str(wrong)])
    assert done.exit_code == 3
    assert "expected quality gates report of schema quality-gates/1" in " ".join(done.output.split())
    assert "Traceback" not in done.output
