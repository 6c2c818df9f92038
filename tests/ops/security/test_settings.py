"""Credentials by settings: one URL for every client, secrets from closed files, none of them ever shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from redis.connection import SSLConnection, parse_url
from typer.testing import CliRunner

from contracts.files import write_atomic
from ops.cli.app import app
from ops.cli.options import settings_with
from ops.security.secrets import SecretError, read_password, write_private
from ops.settings import Settings, SettingsError
from ops.settings.sections import RedisSettings
from ops.settings.sections.registry import PASSWORD, USERNAME

AWKWARD = "p@ss:/?#[w]&=%20ü"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    write_private(file, f"{AWKWARD}\n".encode())
    return file


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    file = tmp_path / "authorities of ours & theirs.pem"
    write_atomic(file, b"x")
    return file


def test_the_url_of_clients_holds_user_password_and_tls(password: Path, ca: Path) -> None:
    own = RedisSettings(
        url="rediss://db:6380/2", username="wor ker", password_file=password, tls_ca_file=ca,
        tls_cert_file=ca, tls_key_file=ca,
    )  # fmt: skip
    assert own.effective_url is not None
    told = parse_url(own.effective_url)
    assert (told["host"], told["port"], told["db"]) == ("db", 6380, 2)
    assert (told["username"], told["password"]) == ("wor ker", AWKWARD)
    assert told["connection_class"] is SSLConnection
    assert told["ssl_ca_certs"] == told["ssl_certfile"] == told["ssl_keyfile"] == str(ca)


def test_a_socket_and_the_default_user_have_passwords_too(password: Path) -> None:
    own = RedisSettings(url="unix:///run/redis.sock?db=1", password_file=password)
    assert own.effective_url is not None
    told = parse_url(own.effective_url)
    assert (told["path"], told["db"], told["password"]) == ("/run/redis.sock", 1, AWKWARD)
    assert not told.get("username")


def test_a_url_with_credentials_of_its_own_is_complete(password: Path) -> None:
    url = "redis://other:word@elsewhere:1"
    own = RedisSettings(url=url, username="worker", password_file=password)
    assert own.effective_url == url
    assert own.standalone_url("redis://127.0.0.1:7") == "redis://default@127.0.0.1:7"
    assert RedisSettings(url=url).standalone_url("redis://127.0.0.1:7") == "redis://127.0.0.1:7"


def test_what_does_not_go_together_is_told(password: Path, ca: Path) -> None:
    for given, words in (
        ({"url": "redis://db", "tls_ca_file": ca}, "rediss:// beside redis.tls_ca_file"),
        ({"url": "redis://db", "username": "worker"}, "redis.password_file beside redis.username"),
        ({"password_file": password}, "redis.url beside redis.password_file"),
        ({"url": "rediss://db", "tls_cert_file": ca}, "both redis.tls_cert_file and redis.tls_key_file"),
    ):
        with pytest.raises(SettingsError, match=words):
            Settings(redis=given)
    gone = Settings(redis={"url": "rediss://db", "tls_ca_file": ca.with_name("none.pem")})
    with pytest.raises(SettingsError, match=r"redis\.tls_ca_file"):
        _ = gone.redis.effective_url


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o606])
def test_a_secret_that_others_can_read_or_write_is_refused(password: Path, mode: int) -> None:
    password.chmod(mode)
    with pytest.raises(SecretError, match="chmod 600") as told:
        read_password(password, "redis.password_file")
    assert AWKWARD not in str(told.value)


@pytest.mark.parametrize("data", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_is_no_password_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "password"
    write_private(file, data)
    with pytest.raises(SecretError):
        read_password(file, "redis.password_file")
    with pytest.raises(SecretError, match="found:"):
        read_password(tmp_path / "none", "redis.password_file")
    with pytest.raises(SecretError):
        read_password(tmp_path, "redis.password_file")


def test_neither_settings_nor_errors_show_a_secret(
    password: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    for name, value in {
        "URL": "redis://127.0.0.1:1",
        "USERNAME": "ops",
        "PASSWORD_FILE": str(password),
    }.items():
        monkeypatch.setenv(f"BANDS_REDIS__{name}", value)
    for words in (["status", "--settings"], ["status", "--json"], ["shadow"], ["retrain", "--reason", "x"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 4, done.output
        assert AWKWARD not in done.output
        assert "p%40ss" not in done.output
    settings = Settings()
    assert AWKWARD not in repr(settings)
    assert "p%40ss" not in str(settings.describe())


def test_the_registry_is_logged_in_to_by_environment(password: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (USERNAME, PASSWORD):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("BANDS_REGISTRY__USERNAME", "worker")
    monkeypatch.setenv("BANDS_REGISTRY__PASSWORD_FILE", str(password))
    with pytest.raises(SettingsError, match=r"registry\.tracking_uri"):
        settings_with()
    settings = settings_with(tracking_uri="http://mlflow:5000")
    assert (os.environ[USERNAME], os.environ[PASSWORD]) == ("worker", AWKWARD)
    assert settings.registry_uri == "http://mlflow:5000"


def test_the_embedded_server_is_no_cluster() -> None:
    alone = RedisSettings(cluster=True)
    with pytest.raises(SettingsError, match=r"redis\.url beside redis\.cluster"):
        _ = alone.effective_url
