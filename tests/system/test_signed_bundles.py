"""Signed bundles with a real registry and real workers: what no trusted key has signed never serves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from contracts.model.bundle import SIGNATURE
from offline.registry import publish, sqlite_uri
from ops.release import ReleaseRefusedError, Releases
from ops.security.signing import KeyPair, new_keys, sign_bundle
from ops.settings import Settings
from tests.behaviour.harness import STEADY, ServedWorker, wait_until
from tests.market import TestMarket

pytestmark = pytest.mark.slow


def copy_of(market: TestMarket, folder: Path) -> Path:
    copy = Path(shutil.copytree(market.folder, folder))
    (copy / SIGNATURE).unlink(missing_ok=True)
    return copy


@pytest.fixture
def ours(tmp_path: Path) -> KeyPair:
    return new_keys(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> KeyPair:
    return new_keys(tmp_path / "theirs")


def test_a_foreign_bundle_is_not_released_and_never_served(
    tmp_path: Path, embedded_url: str, market: TestMarket, rival_market: TestMarket,
    ahead_market: TestMarket, ours: KeyPair, theirs: KeyPair,
) -> None:  # fmt: skip
    uri, artifacts = sqlite_uri(tmp_path / "mlflow"), tmp_path / "artifacts"
    champion, foreign = copy_of(market, tmp_path / "one"), copy_of(rival_market, tmp_path / "two")
    good = copy_of(ahead_market, tmp_path / "three")
    sign_bundle(champion, ours.private)
    sign_bundle(foreign, theirs.private)
    sign_bundle(good, ours.private)
    publish(champion, uri, artifacts=artifacts)
    publish(foreign, uri, artifacts=artifacts, alias=None)
    publish(good, uri, artifacts=artifacts, alias=None)
    careless = Settings(workspace=tmp_path / "a", registry={"tracking_uri": uri})
    careful = Settings(
        workspace=tmp_path / "b", registry={"tracking_uri": uri}, signing={"trusted_keys": (ours.public,)}
    )
    client: Any = Redis.from_url(embedded_url)
    settings = {
        "BANDS_SIGNING__TRUSTED_KEYS": str(ours.public.parent), "BANDS_REGISTRY__POLL_S": "0.2",
    }  # fmt: skip
    (ours.public.parent / "ours.pem").write_bytes(ours.public.read_bytes())
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri=uri, **STEADY, **settings) as worker:
        worker.wait_ready()
        with pytest.raises(ReleaseRefusedError, match=theirs.id):
            Releases(careful, client).shadow("2", share=0.0, by="ada", why="")
        assert client.get("{releases}.pending") is None
        # Whoever got hold of the registry's aliases comes no further than the workers.
        Releases(careless, client).shadow("2", share=1.0, by="mallory", why="")
        wait_until(lambda: theirs.id in worker.report()["notes"].get("challenger", ""), "the refusal told")
        assert worker.report()["challenger"] is None
        with pytest.raises(ReleaseRefusedError, match=theirs.id):
            Releases(careful, client).promote(by="ada", why="")
        Releases(careless, client).promote(by="mallory", why="")
        wait_until(lambda: theirs.id in worker.report()["notes"].get("registry", ""), "the refusal told")
        assert worker.report()["ready"]
        assert worker.report()["bundle"] == market.bundle.label
        Releases(careful, client).shadow("3", share=0.0, by="ada", why="")
        Releases(careful, client).promote(by="ada", why="")
        wait_until(lambda: worker.report()["bundle"] == ahead_market.bundle.label, "the signed one serves")
        assert "registry" not in worker.report()["notes"]


def test_a_worker_starts_from_its_signed_local_copy_alone(
    tmp_path: Path, embedded_url: str, market: TestMarket, ours: KeyPair
) -> None:
    folder, uri = copy_of(market, tmp_path / "bundle"), sqlite_uri(tmp_path / "mlflow")
    sign_bundle(folder, ours.private)
    publish(folder, uri, artifacts=tmp_path / "artifacts")
    settings = {"BANDS_SIGNING__TRUSTED_KEYS": str(ours.public)}
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri=uri, **STEADY, **settings) as worker:
        worker.wait_ready()
    away = "http://127.0.0.1:1"
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri=away, **STEADY, **settings) as worker:
        worker.wait_ready()
        assert "local copy" in worker.report()["notes"]["registry"]
    (tmp_path / "var" / "champions" / market.bundle.sha256 / SIGNATURE).unlink()
    with ServedWorker(embedded_url, tmp_path, None, tracking_uri=away, **STEADY, **settings) as worker:
        wait_until(lambda: "registry:" in worker.problems(), "a worker that waits")
        assert worker.report()["ready"] is False
