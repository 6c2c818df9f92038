"""`bands bench hpo`: both searches on the same bars, both winners on bars neither has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.errors import BadInputError
from contracts.model.grid import BAR_SECONDS, iso
from contracts.model.spec import FeatureSpec
from offline.dataset import build_dataset, no_progress
from offline.hpo import SearchPlan
from offline.market import MarketSpec, simulate
from ops.benchmarks import hpo as benchmark
from ops.benchmarks.hpo import bench_hpo
from ops.benchmarks.hpo_full import full_search
from tests.market import START
from tests.offline.hpo.tiny import market

UNSEEN = 300


def test_both_searches_and_the_year_that_neither_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "UNSEEN_BARS", UNSEEN)
    n_bars = 1_200 + UNSEEN
    histories = tuple(simulate(MarketSpec(), ("AAA",), n_bars, START, seed=5).histories.values())
    plan = SearchPlan(trials=2)
    told = bench_hpo(histories, 42, plan, 2, no_progress)
    assert told["searched_until"] == iso(START + 1_200 * BAR_SECONDS)
    assert told["symbols"] == {"AAA": 1_200}
    for side in ("ours", "plain"):
        assert told[side]["finished"] == 2
        assert told[side]["seconds"] > 0
        assert 0 < told[side]["held_out_pinball_standardised"] < 1
    assert told["speed_ratio"] == told["plain"]["seconds"] / told["ours"]["seconds"]
    unseen = told["unseen"]
    assert unseen["ratio"] == pytest.approx(
        unseen["pinball_standardised_ours"] / unseen["pinball_standardised_plain"]
    )
    assert unseen["independent_outcomes"] <= UNSEEN // 42
    assert unseen["reason"], "so few outcomes bear no interval"
    json.dumps(told, allow_nan=False)


def test_the_full_search_adds_up_its_runs(tmp_path: Path) -> None:
    _, histories = market()
    first = full_search(histories, SearchPlan(trials=1), 2, tmp_path, no_progress, (42, 60))
    assert first["trials"] == 2
    again = full_search(histories, SearchPlan(trials=2), 2, tmp_path, no_progress, (42, 60))
    assert again["trials"] == 4
    assert again["seconds"] > again["seconds_of_earlier_runs"] == pytest.approx(first["seconds"])
    assert set(again["horizons"]) == {"T42", "T60"}
    assert again["rows"] == len(build_dataset(histories, FeatureSpec()))
    (tmp_path / "seconds.json").write_text("{}")
    with pytest.raises(BadInputError, match="measure anew"):
        full_search(histories, SearchPlan(trials=2), 2, tmp_path, no_progress, (42, 60))
