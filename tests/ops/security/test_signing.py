"""Signing from end to end: keys, the commands, registry, release, package, and a worker that refuses."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts.model.bundle import SIGNATURE
from offline.registry import registry, require_signed
from ops.cli.app import app
from ops.security.signing import KeyPair, new_keys, trusted_of
from ops.settings import Settings
from tests.behaviour.harness import ServedWorker
from tests.market import TestMarket

pytestmark = pytest.mark.xdist_group("signing")


def bands(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def flat(done: Result) -> str:
    return " ".join(done.output.split())


def copy_of(market: TestMarket, folder: Path) -> Path:
    copy = Path(shutil.copytree(market.folder, folder))
    (copy / SIGNATURE).unlink(missing_ok=True)
    return copy


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def ours(tmp_path: Path) -> KeyPair:
    return new_keys(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> KeyPair:
    return new_keys(tmp_path / "theirs")


def test_keys_are_made_once_and_the_private_one_is_closed(tmp_path: Path) -> None:
    done = bands("keys", "new", "--out", tmp_path / "keys", "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(done.output)
    private = Path(made["private"])
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_text().splitlines()[1] not in done.output
    assert json.loads(bands("keys", "id", made["public"], "--json").output)["key_id"] == made["key_id"]
    before = private.read_bytes()
    again = bands("keys", "new", "--out", tmp_path / "keys")
    assert again.exit_code == 3
    assert private.read_bytes() == before


def test_sign_and_publish_by_command(
    tmp_path: Path, market: TestMarket, ours: KeyPair, theirs: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(market, tmp_path / "bundle")
    monkeypatch.setenv("BANDS_SIGNING__TRUSTED_KEYS", str(ours.public))
    refused = bands("publish", folder)
    assert refused.exit_code == 3
    assert "bands sign" in flat(refused)
    assert bands("sign", "--bundle", folder, "--key", theirs.private).exit_code == 0
    foreign = bands("publish", folder)
    assert foreign.exit_code == 3
    assert theirs.id in flat(foreign)
    ours.private.chmod(0o644)
    assert "chmod 600" in flat(bands("sign", "--bundle", folder, "--key", ours.private))
    ours.private.chmod(0o600)
    assert bands("sign", "--bundle", folder, "--key", ours.private).exit_code == 0
    done = bands("publish", folder)
    assert done.exit_code == 0, done.output
    with registry(Settings().registry_uri) as client:
        trusted = trusted_of(Settings())
        assert trusted is not None
        assert require_signed(client, "1", trusted) == ours.id


def test_publishing_signs_by_itself_where_a_key_is_configured(
    tmp_path: Path, market: TestMarket, ours: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(market, tmp_path / "bundle")
    assert bands("publish", folder).exit_code == 0  # before anybody thought of keys
    assert not (folder / SIGNATURE).exists()
    monkeypatch.setenv("BANDS_SIGNING__KEY_FILE", str(ours.private))
    monkeypatch.setenv("BANDS_SIGNING__TRUSTED_KEYS", str(ours.public))
    done = bands("publish", folder)
    assert done.exit_code == 0, done.output
    assert "already there" in flat(done)
    with registry(Settings().registry_uri) as client:
        trusted = trusted_of(Settings())
        assert trusted is not None
        assert require_signed(client, "1", trusted) == ours.id


def test_a_worker_refuses_an_unsigned_folder(
    tmp_path: Path, embedded_url: str, market: TestMarket, ours: KeyPair
) -> None:
    folder = copy_of(market, tmp_path / "bundle")
    settings = {"BANDS_SIGNING__TRUSTED_KEYS": str(ours.public)}
    with ServedWorker(embedded_url, tmp_path, folder, **settings) as worker:
        assert worker.wait(60) == 3
    assert f"expected a signature of key {ours.id}" in worker.told()
