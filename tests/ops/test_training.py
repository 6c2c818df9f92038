"""Training a bundle by settings."""

from __future__ import annotations

from pathlib import Path

from ops.training import train_bundle
from tests.market import QUICK, TestMarket


def test_the_budget_of_false_alarms_goes_into_the_bundle_and_its_name(
    market: TestMarket, tmp_path: Path
) -> None:
    histories = list(market.training.values())
    usual = train_bundle(histories, tmp_path, version="0.1.0", settings=QUICK)
    loose = train_bundle(histories, tmp_path, version="0.1.0", settings=QUICK, alarms_per_year=4.0)
    assert usual.folder != loose.folder
    budgets = [
        one.bundle.manifest.drift.budget_per_year for one in (usual, loose) if one.bundle.manifest.drift
    ]
    assert budgets == [1.0, 4.0]
    again = train_bundle(histories, tmp_path, version="0.1.0", settings=QUICK, alarms_per_year=4.0)
    assert (again.folder, again.reused) == (loose.folder, True)
