"""A package that may be deployed, and settings of a workspace beside a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from offline.package import Package
from ops.settings import Settings
from tests.market import TestMarket
from tests.ops.deployment.packs import make_package

VERSION = "1.0.0-hpo"


@pytest.fixture(scope="session")
def signed_package(market: TestMarket, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Go, and signed by both roles."""
    return make_package(tmp_path_factory.mktemp("signed"), market.folder, VERSION)


@pytest.fixture
def settings(tmp_path: Path, embedded_url: str) -> Settings:
    return Settings(workspace=tmp_path / "var", redis={"url": embedded_url})


@pytest.fixture
def client(embedded_url: str) -> Iterator[Any]:
    with Redis.from_url(embedded_url) as client:
        yield client
