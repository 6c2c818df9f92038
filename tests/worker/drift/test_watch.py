"""The watch: River's own answers, restored anywhere, deaf to what is no number, quiet after a finding."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river.drift import PageHinkley

from contracts.events import DriftAlert
from contracts.model.drift import DetectorSpec
from contracts.model.grid import BAR_SECONDS, HORIZONS
from tests.worker.drift.specs import FEATURES, reference, spec
from worker.drift import BarSeen, Finding, LabelSeen, Watch, WatchError
from worker.drift.page_hinkley import PageHinkleyState, advance

START = 1_704_067_200

Seen = BarSeen | LabelSeen


def life(seed: int, bars: int, *, wider: float = 1.0, shift: float = 0.0) -> list[Seen]:
    """Bars and labels of a made-up market."""
    draw = random.Random(seed)
    rows = np.random.default_rng(seed).normal(shift, 1.0, (bars, FEATURES))
    told: list[Seen] = []
    for bar in range(bars):
        at = START + bar * BAR_SECONDS
        move = draw.gauss(0.0, 0.01 * wider)
        told.append(BarSeen(at, move, 1.5 * abs(move), 0.01, rows[bar]))
        for horizon in HORIZONS:
            hit = draw.random() < 0.9 / wider
            loss = draw.uniform(0.0, 0.5) * 0.01 * math.sqrt(horizon)
            told.append(LabelSeen(at, horizon, hit, draw.random(), loss, 0.01))
    return told


def go(watch: Watch, told: list[Seen]) -> tuple[Watch, list[Finding]]:
    found: list[Finding] = []
    for seen in told:
        watch, more = watch.on_bar(seen) if isinstance(seen, BarSeen) else watch.on_label(seen)
        found += more
    return watch, found


@pytest.mark.parametrize("mode", ["up", "down", "both"])
@pytest.mark.parametrize("alpha", [1.0, 0.99])
def test_the_state_is_rivers(mode: str, alpha: float) -> None:
    one = DetectorSpec.model_validate(
        {"channel": "width", "min_instances": 30, "delta": 0.02, "threshold": 4.0, "alpha": alpha,
         "mode": mode, "start_mean": 0.0, "start_weight": 0}
    )  # fmt: skip
    river = PageHinkley(min_instances=30, delta=0.02, threshold=4.0, alpha=alpha, mode=mode)
    state, draw, alarms = PageHinkleyState.start(one), random.Random(1), 0
    for bar in range(3_000):
        x = min(1.0, draw.random() * (0.5 + 0.5 * (bar // 400 % 2)))
        river.update(x)
        state = advance(one, state, x)
        alarms += state.drifted
        assert state.drifted == river.drift_detected
        assert (state.mean, state.rise, state.fall) == (
            river._x_mean.get(), river._sum_increase, river._sum_decrease
        )  # fmt: skip
    assert alarms > 2


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.5, 2.5), st.integers(0, 899))
def test_restored_anywhere_it_goes_on_bit_for_bit(seed: int, wider: float, cut: int) -> None:
    told = life(seed, 180, wider=wider, shift=wider - 1)
    whole, found = go(Watch.start(spec(), reference()), told)
    first, before = go(Watch.start(spec(), reference()), told[:cut])
    restored = Watch.from_json(spec(), reference(), json.loads(json.dumps(first.to_json(), allow_nan=False)))
    second, after = go(restored, told[cut:])
    assert before + after == found
    assert second.to_json() == whole.to_json()


def test_a_calm_market_is_silent_and_wide_moves_are_not() -> None:
    # Drawn with sd 0.75 of what width, loss and PIT start from; seeded, so no error rate applies.
    _, calm = go(Watch.start(spec(threshold=25.0), reference()), life(2, 400, wider=0.8))
    assert {f.channel for f in calm} <= {"loss"}
    _, wild = go(Watch.start(spec(), reference()), life(2, 400, wider=3.0))
    assert {"width", "coverage"} <= {f.channel for f in wild}
    first = next(f for f in wild if f.channel == "width")
    assert first.asks_retrain
    assert first.severity == "alarm"
    assert "times as far as the bands implied" in first.evidence
    assert first.statistic > first.threshold


def test_features_are_named_when_they_move() -> None:
    _, calm = go(Watch.start(spec(threshold=1e6), reference()), life(3, 200))
    _, moved = go(Watch.start(spec(threshold=1e6), reference()), life(3, 200, shift=1.5))
    assert calm == []
    assert {f.channel for f in moved} == {"features"}
    assert not moved[0].asks_retrain
    assert moved[0].severity == "warning"
    assert "5 of 5 features of the last 2 days" in moved[0].evidence
    assert "f0 (" in moved[0].evidence


def test_one_break_is_reported_once_in_a_quiet_time() -> None:
    told = life(4, 2_000)
    _, often = go(Watch.start(spec(threshold=1.0, quiet_bars=0), None), told)
    _, seldom = go(Watch.start(spec(threshold=1.0, quiet_bars=84), None), told)
    assert len(seldom) < len(often) / 4
    for channel in ("width", "coverage", "pit"):
        times = [f.at for f in seldom if f.channel == channel]
        assert len(times) > 5
        assert min(np.diff(times)) >= 84 * BAR_SECONDS


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_reaches_no_detector(bad: float) -> None:
    watch, _ = go(Watch.start(spec(), reference()), life(5, 50))
    rows = np.full(FEATURES, bad)
    told: list[Seen] = [
        BarSeen(START, bad, 0.01, 0.01, rows),
        BarSeen(START, 0.01, bad, 0.01),
        BarSeen(START, 0.01, 0.01, bad),
        BarSeen(START, 0.01, 0.01, 0.0),
        LabelSeen(START, 42, True, bad, bad, 0.01),
    ]
    after, found = go(watch, told)
    assert found == []
    assert after.refused == watch.refused + 7
    unmoved = {name for name in watch.states if name != "coverage.T42"}
    assert all(after.states[name] == watch.states[name] for name in unmoved)
    assert after.weeks is watch.weeks
    assert "NaN" not in json.dumps(after.to_json())


def test_missing_numbers_are_not_even_refused() -> None:
    watch = Watch.start(spec(), reference())
    assert watch.on_bar(BarSeen(START))[0] == watch
    assert watch.on_label(LabelSeen(START, 99, True, 0.5, 0.01, 0.01))[0].to_json() == watch.to_json()


def test_a_watch_is_a_value() -> None:
    watch = Watch.start(spec(), reference())
    before = json.dumps(watch.to_json())
    go(watch, life(6, 30))
    assert json.dumps(watch.to_json()) == before


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected a row of the 5 features"):
        Watch.start(spec(), reference()).on_bar(BarSeen(START, features=np.zeros(3)))


def test_without_a_null_features_are_not_watched() -> None:
    watch = Watch.start(spec(), None)
    assert watch.weeks is None
    assert Watch.from_json(spec(), None, watch.to_json()) == watch


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "watch/0"},
        {"detectors": {}},
        {"weeks": None},
        {"weeks": {"rows": 3, "running": "0" * 50, "full": []}},
        {"quiet_until": {"width": "soon"}},
        {"refused": None},
    ],
)
def test_state_that_is_not_its_own_is_refused(change: dict[str, object]) -> None:
    told = Watch.start(spec(), reference()).to_json()
    with pytest.raises(WatchError, match="expected"):
        Watch.from_json(spec(), reference(), {**told, **change})


@pytest.mark.parametrize("at", range(9))
def test_a_detector_state_that_can_not_be_is_refused(at: int) -> None:
    told = Watch.start(spec(), reference()).to_json()
    state = list(told["detectors"]["width"])
    state[at] = "x"
    if at == 6:
        state.append(0)
    with pytest.raises(WatchError):
        Watch.from_json(spec(), reference(), {**told, "detectors": {**told["detectors"], "width": state}})


def test_state_is_compact() -> None:
    watch, _ = go(Watch.start(spec(), reference()), life(7, 300))
    assert len(json.dumps(watch.to_json(), separators=(",", ":"))) < 4_000


def test_a_finding_becomes_an_alert() -> None:
    _, found = go(Watch.start(spec(), reference()), life(2, 400, wider=3.0))
    for finding in found:
        alert = finding.to_alert("BTCUSDT", "0.1.0+abc")
        assert DriftAlert.from_wire(alert.to_wire()) == alert
        assert (alert.channel, alert.severity, alert.symbol) == (finding.channel, finding.severity, "BTCUSDT")
        assert alert.at.timestamp() == finding.at


def test_river_waits_until_a_watch_is_used() -> None:
    import subprocess
    import sys

    code = "import sys, worker.drift; sys.exit('river' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
