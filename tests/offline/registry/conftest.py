"""One registry on SQLite with the market's bundle as champion, for all tests that change nothing in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from offline.registry import Published, publish, sqlite_uri
from tests.market import TestMarket


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def published(home: Path, market: TestMarket) -> Published:
    return publish(market.folder, sqlite_uri(home), artifacts=home / "artifacts")


@pytest.fixture(scope="session")
def client(home: Path, published: Published) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(sqlite_uri(home), sqlite_uri(home))
