"""Tests that share what is dear to build run in one process: `xdist_group` and `--dist loadgroup`."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("together")
def test_the_scheduler_hears_of_groups(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("tests are not distributed")
    assert request.node.nodeid.endswith("@together"), "pytest-xdist tells the scheduler by the test's id"
