"""`bands bench forecast` from files to a table, and back from where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.model.candle import History
from offline.ingest import write_bars
from offline.market import MarketSpec, simulate
from ops.cli.app import app
from tests.offline.validate.conftest import BARS, SETTINGS, START, walk

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("bench")
    histories: list[History] = list(
        simulate(MarketSpec(), ("AAA", "BBB"), BARS, START, seed=5).histories.values()
    )
    options = []
    for history in histories:
        file = folder / f"sim_{history.symbol}_4h.parquet"
        write_bars(history, file)
        options += ["--bars", str(file)]
    walk(histories, folder, SETTINGS)
    return folder, [*options, "--leader", "AAA", "--predictions", str(folder / "predictions.parquet")]


def test_the_table_and_the_document(files: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, options = files
    monkeypatch.chdir(folder)
    command = ["bench", "forecast", *options, "--peers", "garch-t", "--horizons", "42"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    for word in ("T42 pooled losses", "garch-t", "har-rv", "T42 AAA", "T42 targets", "leaderboard.json"):
        assert word in shown.output
    told = CliRunner().invoke(app, [*command, "--json"])
    document = json.loads(told.stdout)
    written = json.loads((folder / "var" / "leaderboard" / "leaderboard.json").read_text())
    assert document["schema"] == "leaderboard/1"
    assert {key: document[key] for key in written} == written
    assert document["reused_windows"] > 0
    assert set(written["horizons"]["T42"]["models"]) == {"bands", "har-rv", "ewma-ecdf", "garch-t"}


def test_wrong_input_is_told(files: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, options = files
    monkeypatch.chdir(folder)
    for more, said in (
        (["--peers", "oracle"], "expected peers among garch-t"),
        (["--peers", "none", "--horizons", "7"], "expected horizons among [42, 48, 54, 60], found [7]"),
        (["--peers", "none", "--refit", "weekly"], "found 'weekly'"),
    ):
        answer = CliRunner().invoke(app, ["bench", "forecast", *options, *more])
        assert answer.exit_code == 3
        assert said in " ".join(answer.output.split())
