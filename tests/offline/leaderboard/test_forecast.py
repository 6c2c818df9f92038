"""Peers look at the past only, are resumed where they stopped, and are left out aloud."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from contracts.model.grid import BAR_SECONDS
from offline.baselines import GarchT
from offline.leaderboard import BaselinePeer, EveryMonths, Market, Peer, Refit
from offline.leaderboard import grid as grid_module
from offline.leaderboard.forecast import forecast_all
from offline.leaderboard.grid import GridPeer, Point
from offline.train import TrainSettings
from offline.validate.store import WindowStore
from tests.offline.leaderboard.conftest import BASELINES, MOMENT, OFTEN, Array, Scripted, Setting, wide
from tests.offline.validate.conftest import BARS, FIRST_REFIT, START
from tests.offline.validate.test_validate import changed_after

STOP = START + (BARS + 1) * BAR_SECONDS
HALF_YEAR = EveryMonths(6)


def tiny_grid(threads: int | None = None) -> list[Point]:
    size = TrainSettings(rounds=6, learning_rate=0.2, threads=1)
    return [Point(standardised, size) for standardised in (True, False)]


INSIDE: list[Peer] = [*BASELINES, BaselinePeer(GarchT(), HALF_YEAR), GridPeer(OFTEN, search_every_bars=4)]


def answers(market: Market, peer: Peer, folder: Path) -> Array:
    return forecast_all(market, [peer], [42], FIRST_REFIT, STOP, WindowStore(folder)).quantiles[peer.name, 42]


@pytest.mark.parametrize("peer", INSIDE, ids=lambda peer: peer.name)
def test_bars_to_come_change_no_earlier_band(
    peer: Peer, setting: Setting, market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_module, "grid", tiny_grid)
    other = Market.of([changed_after(history, MOMENT) for history in setting.histories], "AAA", 12)
    one, two = answers(market, peer, tmp_path / "one"), answers(other, peer, tmp_path / "two")
    asked = market.dataset.close_time >= FIRST_REFIT
    assert np.isfinite(one[asked]).all()
    assert np.isnan(one[~asked]).all()
    assert (np.diff(one[asked], axis=1) >= 0).all()
    before = asked & (market.dataset.close_time <= MOMENT)
    np.testing.assert_array_equal(one[before], two[before])
    assert not np.array_equal(one[asked & ~before], two[asked & ~before])


def test_training_labels_are_closed_by_the_refit(market: Market) -> None:
    refit = Refit(MOMENT, MOMENT, STOP)
    past, followed = market.training(refit, 42), market.followed(refit, 42)
    assert ((past.bar + 42) * BAR_SECONDS).max() == MOMENT
    assert ((followed.bar + 42) * BAR_SECONDS).max() <= STOP
    asked = market.asked(refit, 42)
    assert np.isnan(asked.returns).all(), "a peer is never shown the labels of what it predicts"
    assert (asked.bar * BAR_SECONDS >= MOMENT).all()


def test_the_grid_prefers_what_predicts(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """One point of two learns next to nothing: a search that looked at nothing would take the first."""
    nothing = Point(True, TrainSettings(rounds=1, learning_rate=1e-9))
    monkeypatch.setattr(grid_module, "grid", lambda threads=None: [nothing, *tiny_grid()])
    rows = market.training(Refit(STOP, STOP, STOP), 42)
    # Returns that a feature tells: whoever learns it must win.
    told = grid_module.Rows(rows.features, rows.unit, rows.features[:, 0] * rows.unit, rows.symbol, rows.bar)
    assert GridPeer().search(told, 42) != nothing


def test_finished_refits_are_kept(setting: Setting, tmp_path: Path) -> None:
    def stops_at_second(market: Market, refit: Refit, horizon: int) -> Array:
        if len(peer.asked) == 2:
            raise KeyboardInterrupt
        return wide(market, refit, horizon)

    peer = Scripted("wide", stops_at_second)
    with pytest.raises(KeyboardInterrupt):
        setting.run(tmp_path / "cut", peer)
    peer.say = wide
    done = setting.run(tmp_path / "cut", peer)
    refits = len(set(peer.asked))
    assert len(peer.asked) == refits + 1, "only the interrupted refit is asked again"
    assert done.reused_windows == 2 * refits + 1
    whole = setting.run(tmp_path / "whole", peer)
    assert whole.reused_windows == 0
    files = [tmp_path / name / "leaderboard.json" for name in ("cut", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()

    damaged = sorted((tmp_path / "whole" / "windows").glob("wide-T42-*"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    asked = len(peer.asked)
    again = setting.run(tmp_path / "whole", peer)
    assert len(peer.asked) == asked + 1
    assert again.results == whole.results


def test_a_peer_that_can_not_run_is_left_out_with_its_reason(setting: Setting, tmp_path: Path) -> None:
    absent = Scripted("absent", wide, is_there=False)
    results = setting.run(tmp_path, absent, Scripted("wide", wide)).results
    assert results["peers"]["absent"]["left_out"] == "expected the environment of absent, found no network"
    assert results["peers"]["wide"]["left_out"] is None
    assert set(results["horizons"]["T42"]["models"]) == {"bands", "har-rv", "ewma-ecdf", "wide"}
    assert json.loads((tmp_path / "leaderboard.json").read_text()) == results
