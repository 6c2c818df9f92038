"""Everyone is scored on the same rows, and the targets say what the scores say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.errors import BadInputError
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES
from offline.leaderboard import Market, Refit, read_predictions
from offline.leaderboard.panels import CommonRows, ModelScores
from offline.leaderboard.targets import horizon_targets
from offline.metrics import hits, pinball
from tests.offline.leaderboard.conftest import MOMENT, Array, Scripted, Setting, wide
from tests.offline.validate.conftest import START

NORMAL = np.array([-1.6448536, -0.6744898, 0.0, 0.6744898, 1.6448536])


def from_moment(market: Market, refit: Refit, horizon: int) -> Array:
    """Silent before `MOMENT`."""
    answer = wide(market, refit, horizon)
    answer[market.dataset.close_time[market.served(refit)] < MOMENT] = np.nan
    return answer


def silent(market: Market, refit: Refit, horizon: int) -> Array:
    return np.full_like(wide(market, refit, horizon), np.nan)


def test_a_row_that_one_lacks_is_dropped_for_all(setting: Setting, tmp_path: Path) -> None:
    board = setting.run(tmp_path, Scripted("late", from_moment)).results["horizons"]["T42"]
    frame = pd.read_parquet(setting.predictions)
    frame = frame[(frame["horizon_bars"] == 42) & frame["return"].notna()]
    issued = frame["issued_at"].astype("int64") // 1_000_000
    kept = frame[issued >= MOMENT]
    assert board["rows"] == {
        "ours": len(frame),
        "common": len(kept),
        "lacking": {"har-rv": 0, "ewma-ecdf": 0, "late": len(frame) - len(kept)},
    }
    assert {told["pooled"]["n"] for told in board["models"].values()} == {len(kept)}
    for symbol in ("AAA", "BBB"):
        mine = kept[kept["symbol"] == symbol]
        y, q = mine["return"].to_numpy(), mine[list(LEVEL_NAMES)].to_numpy()
        told = board["models"]["bands"]["symbols"][symbol]
        assert told["pinball"] == pytest.approx(pinball(y, q).mean())
        assert told["coverage_90"]["value"] == pytest.approx(hits(y, q).mean())


def test_a_peer_without_an_answer_empties_no_table(setting: Setting, tmp_path: Path) -> None:
    board = setting.run(tmp_path, Scripted("silent", silent)).results["horizons"]["T42"]
    assert "too little history" in board["left_out"]["silent"]
    assert board["rows"]["common"] == board["rows"]["ours"] > 0
    assert "silent" not in board["models"]


def test_short_spans_have_no_interval_but_a_reason(setting: Setting, tmp_path: Path) -> None:
    board = setting.run(tmp_path).results["horizons"]["T42"]
    ratio = board["models"]["bands"]["pooled"]["pinball_to_har_rv"]
    assert ratio["low"] is None
    assert "blocks" in ratio["reason"]
    unknown = {one["target"]: one["reason"] for one in board["targets"] if one["met"] is None}
    assert set(unknown) == {"coverage 90, interval", "coverage 50, interval", "pinball / ewma-ecdf, interval"}
    assert all("blocks" in reason for reason in unknown.values())


def test_the_predictions_must_be_of_these_bars(setting: Setting, tmp_path: Path, market: Market) -> None:
    frame = pd.read_parquet(setting.predictions)
    mine = (frame["return"].notna() & (frame["horizon_bars"] == 54)).to_numpy().nonzero()[0]
    frame.loc[mine[7], "return"] += 1e-6
    frame.to_parquet(tmp_path / "other.parquet")
    other = read_predictions(tmp_path / "other.parquet")
    assert np.isfinite(other.on(market, 42)).any()
    with pytest.raises(BadInputError, match=r"expected the bars that .* was made on, found a return of"):
        other.on(market, 54)
    frame.drop(columns="q05").to_parquet(tmp_path / "none.parquet")
    with pytest.raises(BadInputError, match="without q05"):
        read_predictions(tmp_path / "none.parquet")
    with pytest.raises(BadInputError, match="between --start and --end"):
        read_predictions(setting.predictions, end=START)


@pytest.fixture(scope="module")
def rows() -> CommonRows:
    """A year and a month of two symbols whose returns are normal, one twice as wide as the other."""
    bars = np.arange(2_400)
    stream = np.random.default_rng(2)
    symbol = np.tile([0, 1], len(bars))
    outcome = stream.standard_normal(2 * len(bars)) * (1.0 + symbol)
    close_time = START + np.repeat(bars, 2) * BAR_SECONDS
    return CommonRows(42, ("AAA", "BBB"), symbol, close_time, outcome)


def model(rows: CommonRows, scale: float) -> ModelScores:
    return ModelScores(rows, scale * (1.0 + rows.symbol)[:, None] * NORMAL)


def test_the_truth_is_calibrated_and_wins(rows: CommonRows) -> None:
    truth, doubled = model(rows, 1.0), model(rows, 2.0)
    told = truth.told(doubled, [0, 1])
    assert told["coverage_90"]["value"] == pytest.approx(0.9, abs=0.015)
    assert told["coverage_90"]["low"] < 0.9 < told["coverage_90"]["high"]
    assert told["below_q05"] + told["above_q95"] == pytest.approx(1 - told["coverage_90"]["value"])
    assert told["width_90"] == pytest.approx(1.5 * 2 * NORMAL[-1], rel=1e-3)
    assert told["pinball_to_har_rv"]["high"] < 1
    assert told["calibration_error"] < 0.01
    assert told["crossing_rate"] == 0
    wider = doubled.told(truth, [0, 1])
    expected = math.erf(2 * NORMAL[-1] / math.sqrt(2))
    assert wider["yearly_miss"] == pytest.approx(expected - 0.9, abs=0.005)
    assert set(wider["coverage_90_by_year"]) == {"2020", "2021"}
    assert wider["calibration_error"] > 0.08


def test_years_are_calendar_years() -> None:
    at = np.array([START - 1, START, START + 366 * 86_400 - 1, START + 366 * 86_400])
    rows = CommonRows(42, ("A",), np.zeros(4, dtype=np.int64), at, np.zeros(4))
    assert rows.years().tolist() == [2019, 2020, 2020, 2021]


def board_of(rows: CommonRows, ours: ModelScores, ewma: ModelScores, har: ModelScores) -> dict[str, Any]:
    def told(one: ModelScores) -> dict[str, Any]:
        symbols = {name: one.told(har, [column]) for column, name in enumerate(rows.symbols)}
        return {"pooled": one.told(har, [0, 1]), "symbols": symbols}

    def paired(columns: list[int]) -> dict[str, Any]:
        return {"pinball": ours.ratio(ewma, "pinball", columns)}

    return {
        "models": {"bands": told(ours), "ewma-ecdf": {"pooled": ewma.told(har, [0, 1])}},
        "bands_to_ewma_ecdf": {"pooled": paired([0, 1]), "symbols": {"AAA": paired([0]), "BBB": paired([1])}},
    }


def test_targets_are_met_by_the_truth_and_missed_by_a_bad_band(rows: CommonRows) -> None:
    truth, tight, loose = (model(rows, scale) for scale in (1.0, 0.5, 2.0))
    good = {one["target"]: one["met"] for one in horizon_targets(board_of(rows, truth, loose, loose))}
    assert all(good.values()), good
    bad = {one["target"]: one["met"] for one in horizon_targets(board_of(rows, tight, truth, truth))}
    assert not any(met for target, met in bad.items() if target != "crossing"), bad
    assert bad["crossing"]
