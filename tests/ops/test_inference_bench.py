"""`bands bench inference`: what it tells, that both forests agree, and errors. Nothing is timed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.model.grid import HORIZONS
from ops.benchmarks.inference import resident_bytes, rows_after_training
from ops.benchmarks.packed import load_boosters
from ops.cli.app import app
from tests.market import TestMarket

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def told(market: TestMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    words = ["bench", "inference", "--bundle", str(market.folder), "--rows", "60", "--out", "deep/i.json"]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "deep" / "i.json").read_text()) == json.loads(done.stdout)
    return json.loads(done.stdout)


def test_the_result_has_its_schema(market: TestMarket, told: Any) -> None:
    assert told["schema"] == "inference/1"
    assert told["bundle"] == market.bundle.label
    assert told["bundle_sha256"] == market.bundle.sha256
    assert told["rows"] == 60
    assert list(told["horizons"]) == [f"T{horizon}" for horizon in HORIZONS]
    for times in (*told["horizons"].values(), told["all_horizons"]):
        assert 0 < times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"]
    assert told["predictions_per_s"]["single"] > 0
    assert told["predictions_per_s"]["batch"] > 0
    worst = max(times["p95_ms"] for times in (*told["horizons"].values(), told["all_horizons"]))
    latency = told["targets"]["latency_ms"]
    assert latency == {
        "minimum": 1000,
        "ideal": 500,
        "measured": worst,
        "met": worst < 1000,
        "ideal_met": worst < 500,
    }
    assert told["targets"]["memory_mb"]["measured"] == told["memory_mb"]


def test_the_packed_forest_and_the_boosters_agree(told: Any) -> None:
    packed = told["packed_vs_booster"]
    assert packed["identical"] is True
    assert packed["models"] == 20
    assert packed["numpy_times_faster"] == pytest.approx(packed["booster_ms"] / packed["numpy_ms"], rel=0.05)


def test_a_booster_that_differs_is_noticed(market: TestMarket) -> None:
    """The comparison compares: another horizon's boosters do not give this one's answers."""
    rows, context = rows_after_training(market.bundle, "AAA", 5)
    assert context is not None
    x = np.concatenate((rows[-1].values, context.values))
    boosters = load_boosters(market.folder, market.bundle)
    packed = dict(
        zip(market.bundle.predictor.forest.models, market.bundle.predictor.forest.predict_row(x), strict=True)
    )
    assert boosters["T42_q05"].predict(x[None])[0] == packed["T42_q05"]
    assert boosters["T42_q05"].predict(x[None])[0] != packed["T60_q95"]


def test_rows_go_on_where_training_stopped(market: TestMarket) -> None:
    rows, context = rows_after_training(market.bundle, "BBB", 70)
    assert len(rows) == 70
    assert len({row.values.tobytes() for row in rows}) == 70
    assert set(market.bundle.predict("BBB", rows[-1], context)) == set(HORIZONS)


def test_memory_is_of_a_process_without_the_training_stack(market: TestMarket) -> None:
    assert 20e6 < resident_bytes(market.folder) < 1e9
    with pytest.raises(RuntimeError, match="expected a process to load the bundle"):
        resident_bytes(market.folder / "models")


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--rows", "0"], "raise --rows"), (["--bundle", "nowhere"], "nowhere")],
    ids=["no rows", "no bundle"],
)
def test_what_goes_wrong_is_told(words: list[str], told: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["bench", "inference", *words])
    assert done.exit_code == 3, done.output
    assert told in " ".join(done.output.split())


def test_the_table_is_for_people(market: TestMarket) -> None:
    done = CliRunner().invoke(app, ["bench", "inference", "--bundle", str(market.folder), "--rows", "5"])
    assert done.exit_code == 0, done.output
    assert "the same bits: yes" in " ".join(done.output.split())
    assert "target < 1000" in " ".join(done.output.split())
