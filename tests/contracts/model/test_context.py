"""The leader's track: lagged by one bar, kept by time, the same after a restore."""

from __future__ import annotations

import math

import numpy as np
import pytest

from contracts.model.context import LeaderTrack
from contracts.model.features import FeatureFold
from contracts.model.grid import BAR_SECONDS
from contracts.model.snapshot import SnapshotError, dump_leader, load_leader
from contracts.model.spec import BASE_NAMES, CONTEXT_FEATURES

from .paths import random_candles

CANDLES = random_candles(1_600, 4)


def tracked(n_bars: int) -> tuple[LeaderTrack, list[tuple[int, np.ndarray, float]]]:
    fold, track, rows = FeatureFold(), LeaderTrack.empty(), []
    for candle in CANDLES[:n_bars]:
        row = fold.update(candle)
        if row is not None:
            track = track.record(candle.open_time, row)
            rows.append((candle.open_time, row.values, row.sigma))
    return track, rows


def test_a_row_reads_the_leader_one_bar_earlier() -> None:
    track, rows = tracked(1_600)
    now, earlier = rows[-1][0], rows[-2]
    context = track.before(now)
    assert context is not None
    assert not context.is_stale
    names = [feature.name.removeprefix("leader_") for feature in CONTEXT_FEATURES[:-1]]
    expected = [earlier[1][BASE_NAMES.index(name)] for name in names]
    assert context.values[:-1].tolist() == expected
    sigmas = [math.log(sigma) for _, _, sigma in rows[:-1]][-1_000:]
    assert context.values[-1] == pytest.approx(sigmas[-1] - sum(sigmas) / len(sigmas), abs=1e-12)


def test_what_the_leader_does_now_or_later_is_invisible() -> None:
    track, rows = tracked(900)
    at = rows[-3][0]
    earlier, later = tracked(897)[0].before(at), track.before(at)
    assert earlier is not None
    assert later is not None
    assert (earlier.values == later.values).all()


def test_a_missing_leader_bar_is_stale_and_an_unknown_one_none() -> None:
    track, rows = tracked(500)
    after_gap = track.before(rows[-1][0] + 3 * BAR_SECONDS)
    assert after_gap is not None
    assert after_gap.is_stale
    assert track.before(rows[-64][0]) is None
    assert track.before(rows[-63][0]) is not None
    assert LeaderTrack.empty().before(rows[0][0]) is None


def test_a_restored_track_is_the_same() -> None:
    for n_bars in (0, 361, 400, 1_500):
        track, _ = tracked(n_bars)
        assert dump_leader(load_leader(dump_leader(track))) == dump_leader(track)
    with pytest.raises(SnapshotError):
        load_leader(dump_leader(track)[:-8])
