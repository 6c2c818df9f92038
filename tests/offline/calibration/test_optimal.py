"""`calibration_optimal.json`: what the rule chose and why, read back or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.errors import BadInputError
from offline.calibration import (
    CalibrationChoice,
    HeldOut,
    fit_calibrators,
    load_choices,
    optimal,
    write_optimal,
)
from offline.calibration.compare import BURN_IN_DAYS, scored_rows, serve
from tests.offline.calibration.rows import HORIZON, held_out

CHOICES = (
    CalibrationChoice("split_cqr"),
    CalibrationChoice("mondrian_cqr"),
    CalibrationChoice("adaptive_cqr", step=0.05),
)


@pytest.fixture(scope="module")
def held() -> HeldOut:
    return held_out(BURN_IN_DAYS + 400, step_bars=6)


@pytest.fixture(scope="module")
def told(held: HeldOut) -> dict[str, Any]:
    return optimal([held], [serve(held, choice) for choice in CHOICES], {"bars": "made up"})


@pytest.fixture
def file(told: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "deeper" / "calibration_optimal.json"
    write_optimal(told, path)
    return path


def test_the_best_is_read_back(told: dict[str, Any], file: Path) -> None:
    assert json.loads(file.read_text()) == told
    best = CalibrationChoice.from_json(told["horizons"]["T42"]["best"])
    assert load_choices(file) == {HORIZON: best}
    assert best.label == told["horizons"]["T42"]["label"]


def test_where_symbols_differ_the_one_that_learns_them_is_chosen(told: dict[str, Any], held: HeldOut) -> None:
    horizon = told["horizons"]["T42"]
    assert horizon["best"]["method"] == "adaptive_cqr"
    final = fit_calibrators(CHOICES[2], held)
    for coverage, name in ((0.90, "q_hat_90"), (0.50, "q_hat_50")):
        by_symbol = {s: one.q_hat[coverage] for s, one in final.items()}
        assert {s: q[f"{coverage:.2f}"] for s, q in horizon["q_hat_by_symbol"].items()} == by_symbol
        assert horizon[name] == pytest.approx(np.mean(list(by_symbol.values())))
    assert (horizon["note"] is None) == (min(horizon["q_hat_90"], horizon["q_hat_50"]) > 0)


def test_scores_follow_from_what_was_issued(told: dict[str, Any], held: HeldOut) -> None:
    rows = scored_rows(held)
    y = rows.targets
    for choice, scores in zip(CHOICES, told["horizons"]["T42"]["candidates"], strict=True):
        issued = serve(held, choice).issued
        hit = (issued[:, 0] <= y) & (y <= issued[:, 4])
        assert scores["label"] == choice.label
        assert scores["coverage_90"]["value"] == pytest.approx(hit.mean())
        years = rows.close_time.astype("datetime64[s]").astype("datetime64[Y]")
        misses = [
            abs(hit[(rows.symbol == symbol) & (years == year)].mean() - 0.9)
            for symbol in range(2)
            for year in np.unique(years)
        ]
        assert scores["yearly_miss_90"] == pytest.approx(np.mean(misses))
    split = told["horizons"]["T42"]["candidates"][0]
    assert split["winkler_90_to_split"]["value"] == split["winkler_50_to_split"]["value"] == 1.0


@pytest.mark.parametrize(
    "twist",
    [
        lambda told: told | {"schema": "calibration/0"},
        lambda told: {"schema": told["schema"]},
        lambda told: told | {"horizons": {"T42": {"best": {"method": "magic"}}}},
        lambda told: [told],
    ],
)
def test_anything_else_is_refused_with_its_place(file: Path, told: dict[str, Any], twist: Any) -> None:
    file.write_text(json.dumps(twist(told)))
    with pytest.raises(BadInputError, match=r"expected a result of `bands calibrate`.*calibration_optimal"):
        load_choices(file)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="run it again"):
        load_choices(tmp_path / "nothing.json")
