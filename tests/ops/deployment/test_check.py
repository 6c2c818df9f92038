"""`bands check`: what is wrong is found, named, and told what to do about; what is right passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from typer.testing import CliRunner

from contracts.topics import Topics
from offline.package import Package
from ops.cli.app import app
from ops.deployment.check import check
from ops.deployment.checks import packaged, prediction, server
from ops.deployment.checks.access import denied, needs
from ops.deployment.finding import Finding, looked_at, verdict
from ops.deployment.package import opened
from ops.settings import Settings
from tests.market import TestMarket
from tests.ops.deployment.packs import make_package

PASSING = (
    "package", "python", "libraries", "quality gates", "sign-offs", "dry prediction", "persistence",
    "eviction", "memory", "partitions", "clock of the server", "access", "switch",
)  # fmt: skip


def named(found: list[Finding], name: str) -> Finding:
    return next(one for one in found if one.name == name)


def test_a_good_package_passes_on_a_good_server(signed_package: Package, settings: Settings) -> None:
    with opened(signed_package.archive) as package:
        found = check(settings, package)
    assert not [one for one in found if one.status == "fail"], found
    for name in PASSING:
        assert named(found, name).status == "pass", named(found, name)
    assert "Ada Lovelace (architect" in named(found, "sign-offs").evidence
    assert named(found, "worker of partition 0").status == "warn"


def test_the_command_tells_it_to_people_and_machines(
    signed_package: Package, settings: Settings, embedded_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDS_WORKSPACE", str(settings.workspace_path))
    monkeypatch.setenv("COLUMNS", "160")
    words = ["check", "--package", str(signed_package.archive), "--redis-url", embedded_url]
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert told["verdict"] == "warn"
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    assert "appendfsync everysec" in shown.output
    unwilling = CliRunner().invoke(app, ["check", "--redis-url", "redis://127.0.0.1:1/0"])
    assert unwilling.exit_code == 1, "no server is a failure"
    assert CliRunner().invoke(app, ["check", "--role", "king"]).exit_code == 3


def test_an_altered_package_is_refused(
    signed_package: Package, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANDS_WORKSPACE", str(settings.workspace_path))
    folder = Path(shutil.copytree(signed_package.folder, tmp_path / signed_package.folder.name))
    (folder / "models" / "calibrators.json").write_text("{}")
    done = CliRunner().invoke(app, ["check", "--package", str(folder)])
    assert done.exit_code == 3
    assert "calibrators.json" in done.output


def test_one_signature_is_not_enough(market: TestMarket, tmp_path: Path, settings: Settings) -> None:
    package = make_package(tmp_path, market.folder, "1.2.0", roles=("architect",))
    with opened(package.folder) as unpacked:
        found = packaged.signed_off(unpacked, settings)
    assert found.status == "fail"
    assert "product-owner" in found.evidence


def test_other_versions_of_libraries_are_told(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# pins\nnumpy==0.0.1\nno-such-thing==1.0\n./wheels/x.whl\n")
    found = packaged.libraries(tmp_path)
    assert found.status == "fail"
    assert "no no-such-thing 1.0" in found.evidence
    assert "instead of 0.0.1" in found.evidence
    (tmp_path / "requirements.txt").write_text("numpy==0.0.1\n")
    assert packaged.libraries(tmp_path).status == "warn"
    assert packaged.python("2.7").status == "fail"


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ({"redis_version": "6.2.0"}, "fail"),
        ({"redis_version": "7.0.15"}, "warn"),
        ({"redis_version": "7.4.0"}, "pass"),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.3"}, "pass"),
    ],
)
def test_server_versions(info: dict[str, str], status: str) -> None:
    found = server.version(info)
    assert found.status == status
    assert ("redis-check-aof --fix" in found.advice) == (status == "warn")


def test_a_server_that_forgets_or_evicts_fails(crash_server: Any, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path / "var", redis={"url": crash_server.url})
    with crash_server.client() as client:
        client.config_set("appendonly", "no")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "1gb")
    found = check(settings)
    assert named(found, "persistence").status == "fail"
    assert named(found, "eviction").status == "fail"
    assert verdict(found) == "fail"
    with crash_server.client() as client:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "no")
    assert named(check(settings), "persistence").evidence == "appendfsync no"


def test_another_number_of_partitions_is_found(client: Any, settings: Settings) -> None:
    assert server.partitions(client, settings).status == "pass"
    client.hset(Topics().cursor, "entry", "1-0")
    assert server.partitions(client, settings).status == "pass"
    many = Settings(workspace=settings.workspace, redis=settings.redis, stream={"partitions": 2})
    assert server.partitions(client, many).status == "fail"
    client.delete(Topics().cursor)
    client.hset(Topics(2, 3).cursor, "entry", "1-0")
    assert server.partitions(client, many).status == "fail"
    assert server.partitions(client, settings).status == "fail"


def test_rights_are_tried_without_doing_anything(client: Any, embedded_url: str) -> None:
    client.acl_setuser(
        "half", enabled=True, passwords=["+x"], keys=["worker.*", "bars.4h"], commands=["+@all", "-xtrim"]
    )
    try:
        with Redis.from_url(embedded_url.replace("redis://", "redis://half:x@")) as half:
            refused = denied(half, needs(Topics(), "worker"), Topics().cursor)
            assert half.ping(), "the connection is good for more"
    finally:
        client.acl_deluser("half")
    assert "XTRIM bars.4h" in refused
    assert "XADD bands.T42" in refused
    assert "GET worker.lease" not in refused
    assert client.dbsize() == 0, "nothing was written"
    assert denied(client, needs(Topics(), "ops"), Topics().cursor) == []


def test_a_bundle_that_can_not_predict_fails(market: TestMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    (good,) = prediction.prediction_findings(market.bundle)
    assert good.status == "pass", good
    monkeypatch.setattr(prediction, "proper", lambda _: False)
    (bad,) = prediction.prediction_findings(market.bundle)
    assert bad.status == "fail"
    assert "AAA T42" in bad.evidence


def test_one_broken_look_does_not_hide_the_others() -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("no such thing")

    (found,) = looked_at("disk", broken, "look at it")
    assert (found.status, found.evidence) == ("fail", "RuntimeError: no such thing")
