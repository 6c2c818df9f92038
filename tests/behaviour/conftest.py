"""Fixtures of the behaviour tests."""

from __future__ import annotations

import pytest

from tests.behaviour.harness import Truth
from tests.market import TestMarket


@pytest.fixture(scope="session")
def truth(market: TestMarket) -> Truth:
    """What an undisturbed run over all of the market's live bars says."""
    return Truth.of(market.bundle, market.bars())
