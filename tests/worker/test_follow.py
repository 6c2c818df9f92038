"""What a worker makes of the registry's aliases: what can not be believed never serves."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.registry import BUNDLE_MODEL, CHALLENGER, SHA256_TAG, SHARE_TAG
from offline.registry import publish, sqlite_uri
from tests.market import TestMarket
from worker.follow import REGISTRY, SWAP, Follower
from worker.health import Health
from worker.lineup import Lineup
from worker.look_up import FetchError, look_up
from worker.partition import FencedError, RefusedError
from worker.registry import RefusedBundleError, RegistrySettings, fetch_lineup

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture(scope="module")
def duel(tmp_path_factory: pytest.TempPathFactory, market: TestMarket, rival_market: TestMarket) -> str:
    home = tmp_path_factory.mktemp("duel")
    uri = sqlite_uri(home)
    publish(market.folder, uri, artifacts=home / "artifacts")
    publish(rival_market.folder, uri, artifacts=home / "artifacts", alias=CHALLENGER)
    return uri


@pytest.fixture
def challenger(duel: str) -> Any:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(duel, duel)
    return client, client.get_model_version_by_alias(BUNDLE_MODEL, CHALLENGER)


def test_both_aliases_are_read_together(
    duel: str, market: TestMarket, rival_market: TestMarket, tmp_path: Path, challenger: Any
) -> None:
    client, version = challenger
    client.set_model_version_tag(BUNDLE_MODEL, version.version, SHARE_TAG, "0.25")
    told = look_up(duel, "champion", CHALLENGER, tmp_path)
    client.delete_model_version_tag(BUNDLE_MODEL, version.version, SHARE_TAG)
    assert told["champion"]["sha256"] == market.bundle.sha256
    assert told["challenger"]["sha256"] == rival_market.bundle.sha256
    assert told["share"] == 0.25
    assert look_up(duel, "champion", None, tmp_path)["challenger"] is None


@pytest.mark.parametrize(("tag", "value"), [(SHA256_TAG, "rubbish"), (SHARE_TAG, "1.5"), (SHARE_TAG, "half")])
def test_a_challenger_that_can_not_be_believed_is_left_out_and_the_champion_serves(
    duel: str, market: TestMarket, tmp_path: Path, challenger: Any, tag: str, value: str
) -> None:
    client, version = challenger
    before = version.tags.get(tag)
    client.set_model_version_tag(BUNDLE_MODEL, version.version, tag, value)
    try:
        told = look_up(duel, "champion", CHALLENGER, tmp_path)
    finally:
        if before is None:
            client.delete_model_version_tag(BUNDLE_MODEL, version.version, tag)
        else:
            client.set_model_version_tag(BUNDLE_MODEL, version.version, tag, before)
    assert told["challenger"] is None
    assert told["champion"]["sha256"] == market.bundle.sha256


def test_a_challenger_altered_in_the_store_is_left_out(
    market: TestMarket, rival_market: TestMarket, tmp_path: Path
) -> None:
    uri = sqlite_uri(tmp_path)
    publish(market.folder, uri, artifacts=tmp_path / "artifacts")
    publish(rival_market.folder, uri, artifacts=tmp_path / "artifacts", alias=CHALLENGER)
    for forest in (tmp_path / "artifacts").rglob("bundle/forest.npz"):
        if forest.read_bytes() == (rival_market.folder / "forest.npz").read_bytes():
            forest.write_bytes(b"altered")
    cache = tmp_path / "cache"
    cache.mkdir()
    assert look_up(uri, "champion", CHALLENGER, cache)["challenger"] is None
    assert [path.name for path in cache.iterdir()] == [market.bundle.sha256]


class Standing:
    """A partition that takes what it is given, or fails as told."""

    def __init__(self, lineup: Lineup, error: Exception | None = None) -> None:
        self.lineup = lineup
        self.error = error

    async def swap(self, lineup: Lineup) -> None:
        if self.error is not None:
            raise self.error
        self.lineup = lineup


@pytest.mark.parametrize(
    ("fetched", "swapped", "part", "fenced"),
    [
        (FetchError("the registry is down"), None, REGISTRY, 0),
        (None, RefusedError("the swap was refused: no leader"), SWAP, 0),
        (None, FencedError("another owner"), SWAP, 1),
        (None, OSError("the server is down"), SWAP, 0),
    ],
)
def test_whatever_prevents_a_swap_is_noted_and_the_old_lineup_serves_on(
    monkeypatch: pytest.MonkeyPatch,
    market: TestMarket,
    rival_market: TestMarket,
    tmp_path: Path,
    fetched: Exception | None,
    swapped: Exception | None,
    part: str,
    fenced: int,
) -> None:
    old, new = Lineup(market.bundle), Lineup(rival_market.bundle)
    failing = [True]

    async def fetch(_: RegistrySettings, known: Lineup) -> Lineup:
        assert known is old
        if fetched is not None and failing[0]:
            raise fetched
        return new

    monkeypatch.setattr("worker.follow.fetch_lineup", fetch)
    partition: Any = Standing(old, swapped)
    health, calls = Health(reader_silence_s=1.0), list[int]()
    follower = Follower(
        None,
        partition,
        RegistrySettings("sqlite://", tmp_path),
        health,
        lambda: calls.append(1),  # type: ignore[arg-type]
    )
    asyncio.run(follower.look())
    assert partition.lineup is old
    assert str(fetched or swapped).split(":")[0].split(" (")[0] in health.notes[part]
    assert len(calls) == fenced
    assert not health.troubles, "it serves on"
    failing[0], partition.error = False, None
    asyncio.run(follower.look())
    assert partition.lineup is new
    assert not health.notes


def test_what_a_killed_look_has_left_is_removed(duel: str, market: TestMarket, tmp_path: Path) -> None:
    old, young = tmp_path / ".download.old", tmp_path / ".download.young"
    for draft in (old, young):
        draft.mkdir()
        (draft / "forest.npz").touch()
    two_hours_ago = time.time() - 7_200
    os.utime(old, (two_hours_ago, two_hours_ago))
    assert look_up(duel, "champion", None, tmp_path)["champion"]["sha256"] == market.bundle.sha256
    assert not old.exists()
    assert young.exists()


async def test_a_champion_nobody_trusted_has_signed_is_refused_and_not_called_a_dead_registry(
    duel: str, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.pem"
    key = Ed25519PrivateKey.generate().public_key()
    trusted.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    settings = RegistrySettings(duel, tmp_path / "cache", trusted_keys=(trusted,))
    with pytest.raises(RefusedBundleError, match="expected a signature of key"):
        await fetch_lineup(settings)
    with pytest.raises(FetchError, match="alias nobody not found") as missing:
        await fetch_lineup(RegistrySettings(duel, tmp_path / "cache", "nobody"))
    assert not isinstance(missing.value, RefusedBundleError)


async def test_the_registrys_credentials_are_told_to_nobody(tmp_path: Path) -> None:
    settings = RegistrySettings("http://ada:S3cret@127.0.0.1:9", tmp_path, http_timeout_s=1.0)
    with pytest.raises(FetchError) as told:
        await fetch_lineup(settings)
    assert "S3cret" not in str(told.value)
