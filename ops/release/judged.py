"""The comparison of the registry's champion and challenger, brought up to date."""

from __future__ import annotations

from typing import Any

from offline.registry import Lineup
from offline.shadow import Comparison, Ledger, compare, load_ledger, refresh, save_ledger
from ops.release.history import History
from ops.settings import Settings

HISTORY = 1_000


def judge_pair(settings: Settings, client: Any, lineup: Lineup) -> Comparison | None:
    """What the streams say of the lineup's challenger; None without a champion and a challenger.

    What was read is kept in the workspace. After a rollback of the challenger the comparison begins anew: the
    evidence it was promoted on was refuted, and must not promote it again.

    Raises:
        redis.exceptions.RedisError: the server does not answer; the kept ledger is as it was.
    """
    ledger = updated_ledger(settings, client, lineup)
    return None if ledger is None else compare(ledger, settings.release.alpha)


def updated_ledger(settings: Settings, client: Any, lineup: Lineup) -> Ledger | None:
    """The pair's ledger, read on to the end of the streams and kept."""
    if lineup.champion is None or lineup.challenger is None:
        return None
    if lineup.champion.version == lineup.challenger.version:
        return None
    champion, challenger = lineup.champion.label, lineup.challenger.label
    after_ms, since_ms = _moments(client, challenger)
    folder = settings.workspace_path / "shadow"
    ledger = load_ledger(folder, champion, challenger, after_ms)
    before = dict(ledger.cursors)
    refresh(ledger, client, settings.stream.partitions, since_ms=since_ms)
    if ledger.cursors != before:
        save_ledger(ledger, folder)
    return ledger


def _moments(client: Any, challenger: str) -> tuple[int, int]:
    """When it was last rolled back, and last put in shadow: milliseconds of the server's clock, or 0."""
    rolled_back = shadowed = 0
    for entry, release in reversed(History(client).latest(HISTORY)):
        moment = int(entry.partition("-")[0])
        if release.action == "rollback" and release.from_bundle == challenger:
            rolled_back = moment
        if release.action == "shadow" and release.to_bundle == challenger:
            shadowed = moment
    return rolled_back, shadowed
