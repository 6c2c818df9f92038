"""The exchange under test is on this machine: pauses meant for a real one only cost time."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.feed.exchange.FIRST_PAUSE_S", 0.005)
    monkeypatch.setattr("ops.feed.exchange.LONGEST_RETRY_AFTER_S", 0.05)
