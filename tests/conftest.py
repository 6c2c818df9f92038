"""Fixtures for tests on a real server. `redis_url` runs a test on every kind of server there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from offline.registry import database
from offline.train import TrainSettings
from tests.market import SYMBOLS, TRAINING_BARS, TestMarket, train_market
from tests.servers import KINDS, Kind, ServerProcess, missing

for name in [*os.environ]:
    # What is printed is compared, and typer looks for the first three when it is imported.
    if name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS") or name.startswith(("BANDS_", "OTEL_")):
        del os.environ[name]

settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("fresh", settings.get_profile("same"), derandomize=False, max_examples=1_000)
settings.load_profile("same")


class _Pool:
    """One running server of each kind per test process, started when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[Kind, ServerProcess] = {}

    def clean(self, kind: Kind) -> ServerProcess:
        if (why := missing(kind)) is not None:
            pytest.skip(why)
        if kind not in self._servers:
            server = ServerProcess(kind, self._folder / kind)
            server.start()
            self._servers[kind] = server
        self._servers[kind].clean()
        return self._servers[kind]

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()


@pytest.fixture(scope="session", autouse=True)
def _registries_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new registry's database is a copy of one made once: MLflow's fifty migrations take seconds."""
    template = tmp_path_factory.mktemp("registry_template") / "mlflow.db"
    make = database._make

    def copied(file: Path) -> None:
        if not template.exists():
            make(half := template.with_suffix(".half"))
            half.rename(template)
        shutil.copyfile(template, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_make", copied)
        yield


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Pool]:
    pool = _Pool(tmp_path_factory.mktemp("servers"))
    yield pool
    pool.stop()


@pytest.fixture(params=KINDS)
def redis_url(request: pytest.FixtureRequest, _servers: _Pool) -> str:
    """URL of an empty server; the test runs once on each kind. Shared: do not stop or reconfigure it."""
    return _servers.clean(request.param).url


@pytest.fixture
def embedded_url(_servers: _Pool) -> str:
    """URL of an empty embedded server, for tests to which the kind does not matter."""
    return _servers.clean("valkey").url


@pytest.fixture(params=KINDS)
def crash_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """A started server of one's own, to be killed, reconfigured and restarted."""
    if (why := missing(request.param)) is not None:
        pytest.skip(why)
    server = ServerProcess(request.param, tmp_path / request.param, appendfsync="always")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> TestMarket:
    """Two simulated symbols and a bundle trained on their past, with AAA as the market's leader."""
    return train_market(tmp_path_factory.mktemp("market"), leader=SYMBOLS[0])


@pytest.fixture(scope="session")
def plain_market(tmp_path_factory: pytest.TempPathFactory) -> TestMarket:
    """The same without a leader."""
    return train_market(tmp_path_factory.mktemp("plain_market"), leader=None)


@pytest.fixture(scope="session")
def rival_market(tmp_path_factory: pytest.TempPathFactory) -> TestMarket:
    """The same as `market` with a bundle that learnt less, to challenge it."""
    weak = TrainSettings(rounds=1, learning_rate=0.1, folds=3)
    folder = tmp_path_factory.mktemp("rival_market")
    return train_market(folder, leader=SYMBOLS[0], settings=weak, version="0.2.0-test")


@pytest.fixture(scope="session")
def ahead_market(tmp_path_factory: pytest.TempPathFactory) -> TestMarket:
    """The same as `market` with a bundle that was trained on the first 150 live bars too."""
    folder = tmp_path_factory.mktemp("ahead_market")
    return train_market(folder, leader=SYMBOLS[0], version="0.3.0-test", training_bars=TRAINING_BARS + 150)


@pytest.fixture(scope="session")
def real_bars() -> Path:
    """The folder of real bars beside the project, where there is one."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real bars are not beside this project (../shared/data); the rest needs none")
    return folder
