"""What every calibrator promises, crossed with every class.

A new member joins by one line in `MAKERS`; `test_every_member_is_here` fails until it does.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.model.conformal import (
    AdaptiveCQR,
    BandContext,
    Calibrator,
    ClosedLabel,
    MondrianAdaptiveCQR,
    MondrianCQR,
    RollingCQR,
    SplitCQR,
    TwoSpeedCQR,
    calibrator_from_json,
    calibrator_methods,
)
from contracts.model.grid import BAR_SECONDS, HORIZONS, INTERVALS, MEDIAN

Rows = NDArray[np.float64]
N = 120


def history(seed: int) -> tuple[Rows, Rows, list[BandContext]]:
    """Ascending quantiles (N, 5), labels (N,) and contexts of a market whose volatility wanders."""
    rng = np.random.default_rng(seed)
    ratio = np.exp(np.cumsum(rng.normal(scale=0.1, size=N)))
    q = np.sort(rng.normal(scale=0.2, size=(N, 5)) + np.array([-1.6, -0.7, 0.0, 0.7, 1.6]), axis=1)
    contexts = [BandContext(BAR_SECONDS * i, float(r)) for i, r in enumerate(ratio)]
    return q, ratio * rng.normal(size=N), contexts


def few(n: int) -> Callable[[], Calibrator]:
    return lambda: SplitCQR.calibrate(history(1)[0][:n], history(1)[1][:n])


def mondrian(n: int, min_scores: int) -> Callable[[], Calibrator]:
    q, y, contexts = history(1)
    return lambda: MondrianCQR.calibrate(q[:n], y[:n], contexts[:n], min_scores=min_scores)


def rolling(n: int, min_scores: int, max_scores: int | None = None) -> Callable[[], Calibrator]:
    q, y, _ = history(1)
    return lambda: RollingCQR.calibrate(
        q[:n], y[:n], window_days=30, min_scores=min_scores, max_scores=max_scores
    )


def mondrian_adaptive(n: int, min_scores: int) -> Callable[[], Calibrator]:
    q, y, contexts = history(1)
    return lambda: MondrianAdaptiveCQR.calibrate(q[:n], y[:n], contexts[:n], step=0.01, min_scores=min_scores)


MAKERS: dict[str, list[Callable[[], Calibrator]]] = {
    SplitCQR.method: [few(N), few(8), few(0)],
    MondrianCQR.method: [mondrian(N, 20), mondrian(N, 99), mondrian(8, 1), mondrian(0, 1)],
    RollingCQR.method: [rolling(N, 9, 30), rolling(N, 60), rolling(0, 90)],
    AdaptiveCQR.method: [lambda: AdaptiveCQR.calibrate(*history(1)[:2]), lambda: AdaptiveCQR(0.0, 0.0, 0.05)],
    MondrianAdaptiveCQR.method: [
        mondrian_adaptive(N, 20),
        mondrian_adaptive(N, 40),  # two regimes without a tracker: the rows that set an edge count in none
        mondrian_adaptive(N, 99),
        mondrian_adaptive(9, 9),
    ],
    TwoSpeedCQR.method: [
        lambda: TwoSpeedCQR.calibrate(*history(1)[:2]),
        lambda: TwoSpeedCQR(0.0, 0.0, step=0.05, inner_step=0.02, gain=2.0, memory=5),
    ],
}
"""For each method, calibrators in the states worth testing: warm, scarce and empty."""

every = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=f"{method}-{i}")
        for method, makers in MAKERS.items()
        for i, make in enumerate(makers)
    ],
)


def closed(calibrator: Calibrator, seed: int) -> list[ClosedLabel]:
    """One closed label per row of `history`, in the order of their closing."""
    q, y, contexts = history(seed)
    return [
        ClosedLabel(
            quantiles=tuple(row.tolist()),
            issued=tuple(calibrator.interval(row, context).tolist()),
            y=float(label),
            context=context,
            closed_at=context.close_time + HORIZONS[0] * BAR_SECONDS,
        )
        for row, label, context in zip(q, y, contexts, strict=True)
    ]


def taught(calibrator: Calibrator, lessons: list[ClosedLabel]) -> Calibrator:
    for lesson in lessons:
        calibrator = calibrator.update(lesson)
    return calibrator


def test_every_member_is_here() -> None:
    assert set(MAKERS) == set(calibrator_methods())
    for method, cls in calibrator_methods().items():
        assert cls.method == method
        assert all(isinstance(make(), cls) and isinstance(make(), Calibrator) for make in MAKERS[method])


@every
def test_interval_is_pure(make: Callable[[], Calibrator]) -> None:
    calibrator = make()
    q, _, contexts = history(2)
    state, rows = copy.deepcopy(calibrator.to_json()), q.copy()
    first = calibrator.interval(q, contexts)
    second = calibrator.interval(q, contexts)
    assert first.tobytes() == second.tobytes()
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, q)
    assert np.array_equal(q, rows)
    assert calibrator.to_json() == state


@every
def test_a_batch_equals_its_rows(make: Callable[[], Calibrator]) -> None:
    calibrator = make()
    q, _, contexts = history(2)
    batch = calibrator.interval(q, contexts)
    assert batch.shape == q.shape
    for i, (row, context) in enumerate(zip(q, contexts, strict=True)):
        alone = calibrator.interval(row, context)
        assert alone.shape == row.shape
        assert alone.tobytes() == batch[i].tobytes()
    assert calibrator.interval(q[:0], []).shape == (0, 5)


@every
def test_intervals_are_nested_around_the_median(make: Callable[[], Calibrator]) -> None:
    calibrator = taught(make(), closed(make(), seed=3))
    q, _, contexts = history(2)
    band = calibrator.interval(q, contexts)
    assert not np.isnan(band).any()
    assert (band[:, 1:] >= band[:, :-1]).all()
    assert np.isfinite(band[:, MEDIAN]).all()
    assert set(calibrator.q_hat) == set(INTERVALS)


@every
def test_update_leaves_the_old_state_alone(make: Callable[[], Calibrator]) -> None:
    calibrator = make()
    before = copy.deepcopy(calibrator.to_json())
    after = taught(calibrator, closed(calibrator, seed=3))
    assert isinstance(after, type(calibrator))
    assert calibrator.to_json() == before


@every
@pytest.mark.parametrize("pause", [0, 1, 57, N])
def test_a_restored_calibrator_goes_on_as_if_never_interrupted(
    make: Callable[[], Calibrator], pause: int
) -> None:
    lessons = closed(make(), seed=3)
    q, _, contexts = history(4)
    uninterrupted = taught(make(), lessons)
    text = json.dumps(taught(make(), lessons[:pause]).to_json(), allow_nan=False)
    restored = taught(calibrator_from_json(json.loads(text)), lessons[pause:])
    assert restored.to_json() == uninterrupted.to_json()
    assert restored.interval(q, contexts).tobytes() == uninterrupted.interval(q, contexts).tobytes()
