"""The cache: order, repetitions, growth, and what is forgotten."""

from __future__ import annotations

import numpy as np

from contracts.model.grid import BAR_SECONDS
from ops.dashboard.cache import REASONS, Cache, missing_bars
from ops.dashboard.rows import BAR, Rows, between, thinned
from tests.ops.dashboard import records


def test_rows_end_in_order_however_they_come() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        rows, said = Rows(BAR), {}
        for close in range(60):
            batch = [
                (int(at), 1.0, 1.0, 1.0, float(close)) for at in rng.integers(0, 400, rng.integers(1, 30))
            ]
            said |= {row[0]: row[4] for row in batch}
            rows.add(batch)
        assert dict(rows.table[["at", "close"]].tolist()) == said
        assert (np.diff(rows.table["at"]) > 0).all()


def test_a_table_that_was_handed_out_never_changes() -> None:
    rows = Rows(BAR)
    rows.add([(4, 1, 1, 1, 1)])
    before = rows.table
    for n in range(1_000):
        rows.add([(8 + n, 2, 2, 2, 2)])
    rows.add([(4, 9, 9, 9, 9)])
    assert before.tolist() == [(4, 1.0, 1.0, 1.0, 1.0)]
    assert len(rows.table) == 1_001


def test_windows_and_thinning_keep_their_ends() -> None:
    rows = Rows(BAR)
    rows.add([(n, 1, 1, 1, 1) for n in range(0, 1_000, 10)])
    assert between(rows.table, 15, 40)["at"].tolist() == [20, 30, 40]
    few = thinned(rows.table, 7)
    assert len(few) <= 7
    assert few["at"][-1] == 990


def test_records_become_rows_and_the_newest_is_kept_as_sent() -> None:
    cache = Cache()
    closes = records.walk(20)
    sent = list(records.bands("AAA", closes, 42))
    cache.add_bands(sent[10:])
    cache.add_bands(sent[:10])
    cache.add_bands([records.no_band("AAA", 48, records.START, 5.0, "gap")])
    assert len(cache.bands("AAA", 42)) == 20
    assert cache.newest("AAA", 42) == sent[-1]
    silent = cache.bands("AAA", 48)[0]
    assert REASONS[silent["reason"]] == "gap"
    assert np.isnan(silent["q"]).all()
    assert cache.newest_close() == records.START + 20 * BAR_SECONDS
    assert cache.symbols() == ["AAA"]
    assert cache.bundles() == [records.CHAMPION]


def test_the_archive_does_not_overrule_the_stream() -> None:
    cache = Cache()
    closes = records.walk(5)
    cache.add_bars("AAA", [bar.candle for bar in records.bars("AAA", closes)])
    old = cache.bars("AAA").copy()
    old["close"] = 1.0
    before = old[:2].copy()
    before["at"] -= 10 * BAR_SECONDS
    cache.add_history("AAA", np.concatenate([before, old]))
    assert cache.bars("AAA")["close"].tolist() == [1.0, 1.0, *closes.tolist()]
    assert missing_bars(cache.bars("AAA"), 540) == 8


def test_what_is_older_than_the_history_is_dropped() -> None:
    cache = Cache(history_days=2.0)
    cache.add_bars("AAA", [bar.candle for bar in records.bars("AAA", records.walk(100))])
    cache.trim()
    assert len(cache.bars("AAA")) == 13


def test_every_change_has_a_version_and_nothing_new_has_none() -> None:
    cache = Cache()
    cache.add_notices("drift", [records.alert()])
    version = cache.version
    cache.add_notices("drift", [])
    cache.add_bands([])
    assert cache.version == version == 1
    cache.forget()
    assert (cache.told("drift"), cache.epoch) == ([], 1)
