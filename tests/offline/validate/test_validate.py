"""Walk-forward: as it would have run live, honest in its numbers, and resumable to the byte."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVEL_NAMES, LEVELS, iso
from offline.validate import WalkForwardSettings, validate
from tests.offline.validate.conftest import CPCV, FIRST_REFIT, MISSING, QUICK, SETTINGS, START, Run, walk

SCORES = {
    "coverage_90",
    "coverage_50",
    "crossing_rate",
    "pinball",
    "winkler_90",
    "mae",
    "calibration_error",
    "ic",
}
RATIOS = {f"{score}_to_{base}" for score in ("pinball", "winkler_90") for base in ("har_rv", "ewma_ecdf")}


def results(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text())


def changed_after(history: History, moment: int) -> History:
    """The same bars up to `moment`, others after it."""
    factor = np.where(history.open_time + BAR_SECONDS > moment, 1.7, 1.0)
    factor *= np.where(factor > 1, 1 + 0.02 * np.sin(np.arange(len(history))), 1.0)
    prices = (column * factor for column in (history.open, history.close))
    opened, close = prices
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    after = factor > 1
    return History(
        history.symbol,
        history.open_time,
        opened,
        np.where(after, high, history.high),
        np.where(after, low, history.low),
        close,
        history.volume,
    )


def test_the_results_have_their_schema(walked: Run) -> None:
    told = results(walked.folder)
    assert told == json.loads(json.dumps(walked.validation.results))
    assert set(told) == {
        "schema",
        "settings",
        "symbols",
        "horizons",
        "leader",
        "bars",
        "windows",
        "overall",
        "cpcv",
    }
    assert told["schema"] == "validation/1"
    assert told["symbols"] == ["AAA", "BBB"]
    assert told["horizons"] == list(HORIZONS)
    assert [w["number"] for w in told["windows"]] == [1, 2, 3]
    assert told["windows"][0]["start"] == iso(FIRST_REFIT)
    for window in told["windows"]:
        assert set(window["scores"]) == {"T42", "T48", "T54", "T60"}
        for scopes in window["scores"].values():
            assert set(scopes) == {"pooled", "AAA", "BBB"}
            for scores in scopes.values():
                assert set(scores) == SCORES | RATIOS | {"bands", "n", "n_effective", "ic_reason"}
    for scopes in told["overall"].values():
        for scores in scopes.values():
            assert set(scores) == SCORES | RATIOS
            for estimate in scores.values():
                assert set(estimate) == {"value", "low", "high", "level", "n", "n_effective", "reason"}
                assert (estimate["low"] is None) <= (estimate["reason"] is not None)
    assert 0.5 < told["overall"]["T42"]["pooled"]["pinball_to_har_rv"]["value"] < 2


def test_the_predictions_have_their_schema(walked: Run) -> None:
    frame = walked.frame
    assert list(frame.columns) == [
        *("symbol", "horizon_bars", "issued_at", "target_time", "ref_price"),
        *LEVEL_NAMES,
        "return",
    ]
    assert str(frame.dtypes["issued_at"]) == "datetime64[us, UTC]"
    ordered = frame.sort_values(["issued_at", "symbol", "horizon_bars"], kind="stable")
    assert ordered.index.tolist() == list(range(len(frame)))
    assert not frame.duplicated(["issued_at", "symbol", "horizon_bars"]).any()
    assert (frame["target_time"] - frame["issued_at"] == frame["horizon_bars"] * pd.Timedelta("4h")).all()
    assert (np.diff(frame[list(LEVEL_NAMES)], axis=1) >= 0).all()
    for history in walked.histories:
        closes = dict(zip(history.open_time + BAR_SECONDS, history.close, strict=True))
        mine = frame[frame["symbol"] == history.symbol]
        issued = mine["issued_at"].astype("int64") // 10**6
        target = mine["target_time"].astype("int64") // 10**6
        assert mine["ref_price"].tolist() == [closes[t] for t in issued]
        expected = [
            np.log(closes[b] / closes[a]) if b in closes else np.nan
            for a, b in zip(issued, target, strict=True)
        ]
        np.testing.assert_allclose(mine["return"], expected, atol=1e-14)
    lacking = START + (MISSING + 1) * BAR_SECONDS
    hit = frame[
        (frame["symbol"] == "BBB") & (frame["target_time"] == pd.Timestamp(lacking, unit="s", tz="UTC"))
    ]
    assert len(hit) == 4
    assert hit["return"].isna().all()


def score_by_hand(frame: pd.DataFrame) -> dict[str, float]:
    known = frame[frame["return"].notna()]
    y = known["return"].to_numpy()
    loss, below = [], []
    for name, level in zip(LEVEL_NAMES, LEVELS, strict=True):
        error = y - known[name].to_numpy()
        loss.append(np.maximum(level * error, (level - 1) * error))
        below.append(abs(np.mean(y <= known[name]) - level))
    width = known["q95"] - known["q05"]
    outside = np.maximum(known["q05"] - y, 0) + np.maximum(y - known["q95"], 0)
    rows = pd.DataFrame(
        {
            "coverage_90": (known["q05"] <= y) & (y <= known["q95"]),
            "coverage_50": (known["q25"] <= y) & (y <= known["q75"]),
            "pinball": np.mean(loss, axis=0),
            "winkler_90": width + 20 * outside,
            "mae": (y - known["q50"]).abs(),
        }
    )
    by_symbol = rows.astype(float).groupby(known["symbol"].to_numpy()).mean().mean()
    ranks = known[["return", "q50"]].rank()
    return {
        **by_symbol.to_dict(),
        "calibration_error": float(np.mean(below)),
        "ic": float(ranks["return"].corr(ranks["q50"])),
        "n": len(known),
    }


def test_every_number_follows_from_the_predictions(walked: Run) -> None:
    told, frame = results(walked.folder), walked.frame
    for horizon in HORIZONS:
        for scope in ("pooled", "AAA", "BBB"):
            mine = frame[frame["horizon_bars"] == horizon]
            mine = mine if scope == "pooled" else mine[mine["symbol"] == scope]
            overall = told["overall"][f"T{horizon}"][scope]
            for name, value in score_by_hand(mine).items():
                got = overall["pinball"]["n"] if name == "n" else overall[name]["value"]
                assert got == pytest.approx(value, rel=1e-9), (horizon, scope, name)
            for window in told["windows"]:
                start, stop = pd.Timestamp(window["start"]), pd.Timestamp(window["stop"])
                part = mine[(mine["issued_at"] >= start) & (mine["issued_at"] < stop)]
                got = window["scores"][f"T{horizon}"][scope]
                assert got["bands"] == len(part)
                if got["n"] == 0:
                    assert part["return"].isna().all()
                    continue
                for name, value in score_by_hand(part).items():
                    assert got[name] == pytest.approx(value, rel=1e-9), (window["number"], scope, name)


def test_bars_after_a_window_change_nothing_in_it(walked: Run, tmp_path: Path) -> None:
    cut = pd.Timestamp(results(walked.folder)["windows"][1]["stop"])
    later = [changed_after(history, int(cut.timestamp())) for history in walked.histories]
    done = walk(later, tmp_path)
    columns = ["symbol", "horizon_bars", "issued_at", "ref_price", *LEVEL_NAMES]
    frame = pd.read_parquet(tmp_path / "predictions.parquet")
    before = [f[f["issued_at"] < cut][columns] for f in (walked.frame, frame)]
    pd.testing.assert_frame_equal(*before, check_exact=True)
    keys = [[w["key"] for w in r["windows"]] for r in (results(walked.folder), done.results)]
    assert keys[0][:2] == keys[1][:2]
    assert keys[0][2] != keys[1][2]
    after = [f[f["issued_at"] >= cut]["q05"].to_numpy() for f in (walked.frame, frame)]
    assert not np.array_equal(*after)


def test_a_run_resumes_from_what_can_be_believed(
    walked: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(walked.folder, folder)
    expected = [(folder / name).read_bytes() for name in ("results.json", "predictions.parquet")]
    files = sorted((folder / "windows").glob("20*.window"))
    folds = sorted((folder / "windows").glob("cpcv*.window"))
    assert (len(files), len(folds)) == (3, 4)
    files[0].unlink()
    raw = bytearray(files[1].read_bytes())
    raw[len(raw) // 2] ^= 1
    files[1].write_bytes(raw)
    folds[2].write_bytes(folds[2].read_bytes()[:100])
    (folder / "windows" / f".{files[2].name}.torn").write_bytes(b"half")
    (folder / "results.json").unlink()
    with caplog.at_level(logging.WARNING):
        done = validate(
            walked.histories, folder, settings=SETTINGS, train_settings=QUICK, leader="AAA", cpcv=CPCV
        )
    assert done.reused_windows == 1
    told = [
        record.getMessage() for record in caplog.records if "not as it was written" in record.getMessage()
    ]
    assert len(told) == 2
    assert files[1].name in told[0]
    assert folds[2].name in told[1]
    assert [(folder / name).read_bytes() for name in ("results.json", "predictions.parquet")] == expected

    once_more = walk(walked.histories, folder)
    assert once_more.reused_windows == 3
    assert once_more.results["cpcv"] is None
    assert once_more.results["overall"] == walked.validation.results["overall"]


def test_other_settings_do_not_reuse(walked: Run, tmp_path: Path) -> None:
    shutil.copytree(walked.folder / "windows", tmp_path / "windows")
    last = replace(SETTINGS, start=FIRST_REFIT + 55 * 86_400)
    assert walk(walked.histories, tmp_path, last).reused_windows == 0


def test_one_horizon_is_scored_from_the_same_windows(walked: Run, tmp_path: Path) -> None:
    shutil.copytree(walked.folder / "windows", tmp_path / "windows")
    done = validate(
        walked.histories, tmp_path, settings=SETTINGS, train_settings=QUICK, leader="AAA", horizons=[48]
    )
    assert done.reused_windows == 3
    assert done.results["overall"] == {"T48": walked.validation.results["overall"]["T48"]}


def test_misuse_is_told_with_what_to_change(walked: Run, tmp_path: Path) -> None:
    def run(settings: WalkForwardSettings, histories: list[History] = walked.histories, **more: Any) -> None:
        validate(histories, tmp_path, settings=settings, train_settings=QUICK, leader="AAA", **more)

    with pytest.raises(ValueError, match="361 bars"):
        run(SETTINGS, [h.between(None, START + 300 * BAR_SECONDS) for h in walked.histories])
    with pytest.raises(ValueError, match=r"expected rows to predict.*earlier --start"):
        run(WalkForwardSettings())
    with pytest.raises(ValueError, match=r"expected rows to train on before.*later --start"):
        run(replace(SETTINGS, start=START))
    with pytest.raises(ValueError, match=r"found none; use more history, a later --start"):
        run(replace(SETTINGS, start=START + 380 * BAR_SECONDS))
    with pytest.raises(ValueError, match=r"choose a longer --window"):
        run(replace(SETTINGS, window_days=30))
    with pytest.raises(ValueError, match="expected horizons among"):
        run(SETTINGS, horizons=[43])
    with pytest.raises(ValueError, match="at least one day"):
        WalkForwardSettings(step_days=0)
    assert not (tmp_path / "results.json").exists()
