"""Settings: precedence, provenance, unknown keys, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.settings import Settings, SettingsError
from ops.settings.sections import RedisSettings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without bands.toml and an environment without our variables."""
    import os

    for name in list(os.environ):
        if name.startswith("BANDS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def described(settings: Settings) -> dict[str, tuple[str, str]]:
    return {name: (value, origin) for name, value, origin in settings.describe()}


def test_defaults() -> None:
    settings = Settings()
    assert settings.redis.url is None
    assert settings.workspace == Path("var")
    assert (settings.stream.partitions, settings.stream.batch_max, settings.stream.block_ms) == (
        1,
        100,
        1_000,
    )
    assert {origin for _, origin in described(settings).values()} == {"default"}


def test_each_source_overrides_the_next(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "bands.toml").write_text(
        'workspace = "file"\n[worker]\nhttp_port = 1\nsweep_interval_s = 1\nlease_ttl_ms = 1000\n'
    )
    monkeypatch.setenv("BANDS_WORKER__HTTP_PORT", "2")
    monkeypatch.setenv("BANDS_WORKER__SWEEP_INTERVAL_S", "2")
    settings = Settings(worker={"http_port": 3})
    assert (settings.worker.http_port, settings.worker.sweep_interval_s, settings.worker.lease_ttl_ms) == (
        3,
        2,
        1000,
    )
    rows = described(settings)
    assert rows["worker.http_port"] == ("3", "argument")
    assert rows["worker.sweep_interval_s"] == ("2.0", "BANDS_WORKER__SWEEP_INTERVAL_S")
    assert rows["worker.lease_ttl_ms"] == ("1000", "bands.toml")
    assert rows["worker.http_host"] == ("127.0.0.1", "default")
    assert rows["workspace"] == ("file", "bands.toml")


def test_a_section_given_as_a_model_overrides_only_what_it_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDS_REDIS__URL", "redis://db:1")
    settings = Settings(redis=RedisSettings(socket_timeout_s=9))
    assert (settings.redis.url, settings.redis.socket_timeout_s) == ("redis://db:1", 9)


def test_bands_config_names_the_file(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = elsewhere / "other.toml"
    named.write_text("[train]\nfolds = 3\n")
    monkeypatch.setenv("BANDS_CONFIG", str(named))
    assert described(Settings())["train.folds"] == ("3", str(named))
    named.unlink()
    with pytest.raises(SettingsError, match=r"BANDS_CONFIG names it.*found none"):
        Settings()


def test_lists_in_the_environment_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDS_TRAIN__SYMBOLS", "BTCUSDT, ETHUSDT")
    assert Settings().train.symbols == ("BTCUSDT", "ETHUSDT")


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANDS_REDIS__URL", "")
    assert Settings().redis.url is None


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "[worker]\nhttp_prt = 1\n",
            r"found worker\.http_prt in bands\.toml: the nearest is worker\.http_p",
        ),
        (
            "[wroker]\nhttp_port = 1\n",
            r"found wroker\.http_port in bands\.toml: the nearest is worker",
        ),
        ("tracking_uri = 1\n", r"found tracking_uri in bands\.toml: the nearest is registry\.tracking_uri"),
        ("zzz = 1\n", r"found zzz in bands\.toml: the known ones are workspace, redis\.url"),
        ("worker = 1\n", r"Expected worker to be a section of settings, found one value in bands\.toml"),
        ("worker = \n", r"Expected TOML in bands\.toml"),
    ],
)
def test_a_key_that_does_not_exist_is_an_error(elsewhere: Path, toml: str, message: str) -> None:
    (elsewhere / "bands.toml").write_text(toml)
    with pytest.raises(SettingsError, match=message):
        Settings()


@pytest.mark.parametrize("name", ["BANDS_WORKSPCE", "BANDS_WORKER__HTTP_PRT"])
def test_a_variable_that_does_not_exist_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"in {name}: the nearest is work"):
        Settings()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"worker": {"http_port": 0}},
            r"worker\.http_port to be greater than or equal to 1, found '0'",
        ),
        ({"train": {"folds": "x"}}, r"Expected train\.folds to be a valid integer.*found 'x' in argument"),
        ({"registry": {"alias": "Q Q"}}, r"Expected a valid registry\.alias \(String should match pattern"),
        ({"stream": {"block_ms": 5_000}}, r"stream\.block_ms \(5000 ms\) below redis\.socket_timeout_s"),
        ({"redis": {"url": "redis://a", "cluster": True}}, r"stream\.partitions of 2 or more .* not 1"),
    ],
)
def test_a_value_out_of_range_is_an_error(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings(**arguments)


def test_secrets_are_never_printed() -> None:
    settings = Settings(
        redis={"url": "rediss://me:hunter2@db:6380/0?ssl_cert_reqs=required"},
        registry={"tracking_uri": "https://me:hunter2@registry.example/"},
    )
    assert settings.redis.url is not None
    assert "hunter2" in settings.redis.url
    assert "hunter2" not in f"{settings!r} {settings} {settings.describe()}"
    assert described(settings)["redis.url"][0] == "rediss://***@db:6380/0?ssl_cert_reqs=required"
    with pytest.raises(SettingsError) as refused:
        Settings(redis={"url": "http://me:hunter2@db"})
    assert "hunter2" not in str(refused.value)


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.workspace = Path("x")
    with pytest.raises(ValueError, match="frozen"):
        settings.worker.http_port = 1


def test_derived_paths_are_absolute(elsewhere: Path) -> None:
    settings = Settings(workspace="w")
    assert settings.workspace_path == elsewhere / "w"
    assert settings.bundles_path == elsewhere / "w" / "bundles"
    assert settings.server_path == elsewhere / "w" / "server"
    assert settings.mlflow_path == elsewhere / "w" / "mlflow"
    assert settings.registry_uri == f"sqlite:///{elsewhere}/w/mlflow/mlflow.db"
    assert Settings(registry={"tracking_uri": "http://r:5000"}).registry_uri == "http://r:5000"
