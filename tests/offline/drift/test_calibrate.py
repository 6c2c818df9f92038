"""What a bundle is told to watch: from its own rows, reproducible, plain about too little history."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.model.bundle import Bundle, Manifest, load_bundle
from contracts.model.candle import History
from contracts.model.drift import CHANNELS, DriftSpec
from contracts.model.grid import HORIZONS
from contracts.model.spec import FeatureSpec
from offline.dataset import Dataset, build_dataset
from offline.drift import DriftPlan, Issued, calibrate_drift
from offline.drift.observations import label_series, width_series
from offline.market import MarketSpec, simulate
from offline.train import TrainedHead, TrainSettings, train, write_trained
from tests.market import START, TestMarket
from tests.offline.drift.replay import replay

QUICK = TrainSettings(rounds=4, learning_rate=0.1, folds=3)
SMALL = DriftPlan(replicates=24, years=2)


@pytest.fixture(scope="module")
def trained() -> tuple[list[History], Dataset, tuple[TrainedHead, ...]]:
    market = simulate(MarketSpec(), ["AAA", "BBB"], 2_900, START, seed=3)
    histories = list(market.histories.values())
    dataset = build_dataset(histories, FeatureSpec())
    return histories, dataset, train(dataset, QUICK)


@pytest.fixture(scope="module")
def bundle(
    trained: tuple[list[History], Dataset, tuple[TrainedHead, ...]], tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    histories, dataset, heads = trained
    folder = tmp_path_factory.mktemp("drift") / "bundle"
    write_trained(folder, heads, dataset, histories, QUICK, version="0.1.0", drift=SMALL)
    return load_bundle(folder, accelerate=False)


def test_every_channel_and_horizon_is_watched(bundle: Bundle) -> None:
    spec = bundle.manifest.drift
    assert spec is not None
    assert spec.calibrated
    assert [one.name for one in spec.detectors] == [
        "width",
        *(f"{channel}.T{horizon}" for channel in ("coverage", "loss", "pit") for horizon in HORIZONS),
    ]
    assert set(spec.rates) == set(CHANNELS)
    assert sum(rate.budget for rate in spec.rates.values()) == pytest.approx(spec.budget_per_year)
    for rate in spec.rates.values():
        assert rate.simulated is not None
        # Of a tiny simulation, so within half a budget or one alarm in 48 symbol-years.
        assert rate.simulated <= 1.5 * rate.budget + 1 / 48
    assert Manifest.model_validate_json(bundle.manifest.model_dump_json(by_alias=True)) == bundle.manifest
    assert bundle.reference is not None
    assert bundle.reference.names == bundle.spec.names
    assert bundle.reference.null is not None


def test_the_same_rows_give_the_same_thresholds(
    trained: tuple[list[History], Dataset, tuple[TrainedHead, ...]], bundle: Bundle
) -> None:
    histories, dataset, heads = trained
    issued = [Issued.of(one.held_out, one.head.calibrators) for one in heads]
    spec, null = calibrate_drift(issued, dataset, histories, SMALL)
    assert spec == bundle.manifest.drift
    assert null is not None
    assert bundle.reference is not None
    np.testing.assert_array_equal(null.quantiles, bundle.reference.null)
    half, _ = calibrate_drift(
        issued, dataset, histories, DriftPlan(budget_per_year=0.25, replicates=24, years=2)
    )
    for stricter, one in zip(half.detectors, spec.detectors, strict=True):
        assert stricter.threshold > one.threshold


def test_inputs_are_what_the_bands_and_the_bars_say(
    trained: tuple[list[History], Dataset, tuple[TrainedHead, ...]],
) -> None:
    histories, _, heads = trained
    issued = [Issued.of(one.held_out, one.head.calibrators) for one in heads]
    for series in width_series(issued[0], histories):
        assert series.min() > 0
        assert 0.3 < series.mean() < 2.0
    labels = label_series(issued)
    for number in range(2):
        lengths = {len(labels[channel][number]) for channel in labels}
        assert lengths == {int((issued[-1].held.symbol == number).sum())}
    # In-sample of their own calibrators: the miss rate is close to nominal, overlap and all.
    assert 0.05 < np.concatenate(labels["coverage"]).mean() < 0.16
    assert 0.4 < np.concatenate(labels["pit"]).mean() < 0.6


def test_too_little_history_is_told_and_watched_by_defaults(market: TestMarket) -> None:
    spec = market.bundle.manifest.drift
    assert spec is not None
    assert not spec.calibrated
    assert "thresholds are defaults" in spec.note
    assert len(spec.detectors) == 13
    assert spec.features is None
    assert market.bundle.reference is not None
    assert market.bundle.reference.null is None


def test_importance_is_shares_of_gain(bundle: Bundle) -> None:
    told = bundle.manifest.importance
    assert told is not None
    assert set(told) == {f"T{horizon}" for horizon in HORIZONS}
    for shares in told.values():
        assert len(shares) == len(bundle.spec.names)
        assert min(shares) >= 0
        assert sum(shares) == pytest.approx(1.0)


def test_a_manifest_of_before_still_loads(market: TestMarket) -> None:
    told = market.bundle.manifest.model_dump(mode="json", by_alias=True)
    del told["drift"], told["importance"]
    old = Manifest.model_validate({**told, "drift_thresholds": {}}, strict=False)
    assert old.drift is None
    assert old.importance is None


def test_a_bundle_can_be_watched_at_once(bundle: Bundle) -> None:
    market = simulate(MarketSpec(), ["AAA"], 900, START, seed=8)
    replayed = replay(bundle, "AAA", market.histories["AAA"])
    assert replayed.bars == 900 - 360
    assert replayed.watch.refused == 0


@pytest.mark.parametrize(
    "settings", [{"budget_per_year": 0.0}, {"replicates": 0}, {"shares": {"width": 0.5, "coverage": 0.4}}]
)
def test_a_plan_that_can_not_be_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        DriftPlan(**settings)  # type: ignore[arg-type]


def test_names_are_distinct() -> None:
    one = {
        "channel": "width", "min_instances": 1, "delta": 0, "threshold": 1, "mode": "up",
        "start_mean": 0.1, "start_weight": 0,
    }  # fmt: skip
    with pytest.raises(ValueError, match="one detector for each"):
        DriftSpec.model_validate(
            {"calibrated": True, "note": "", "budget_per_year": 1, "detectors": [one, one]}
        )
