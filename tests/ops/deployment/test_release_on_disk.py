"""Install, link, backup, record: whole or not there, and refused when something else is."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from contracts.model.bundle import verify_bundle
from contracts.topics import Topics
from offline.package import Package, verify_package
from ops.deployment.alone import alone
from ops.deployment.backup import back_up, dump_partition, restore_partition, verify_backup
from ops.deployment.errors import DeploymentBusyError
from ops.deployment.install import current, install, point_current, relative, release_of, releases_path
from ops.deployment.package import find_package, opened
from ops.deployment.record import Before, Deployment, load, new_folder, records, save, unfinished
from ops.settings import Settings
from tests.market import TestMarket
from tests.ops.deployment.packs import make_package


def test_a_package_is_installed_whole_once_and_mended(signed_package: Package, settings: Settings) -> None:
    with opened(signed_package.archive) as package:
        folder, is_new = install(package, settings)
        assert is_new
        assert verify_package(folder).sha256 == package.verified.sha256
        assert install(package, settings) == (folder, False)
        (folder / "README.md").write_text("damaged")
        assert install(package, settings) == (folder, True)
        assert verify_package(folder)
        assert release_of(package.bundle.sha256, settings) == folder
    assert not [one for one in folder.parent.iterdir() if one.name.startswith(".")], "no draft is left"


def test_a_version_is_never_another_package(
    signed_package: Package, market: TestMarket, settings: Settings, tmp_path: Path
) -> None:
    with opened(signed_package.folder) as package:
        install(package, settings)
    other = make_package(tmp_path, market.folder, "1.0.0-hpo", roles=("architect",))
    with opened(other.folder) as package, pytest.raises(BadInputError, match="pack with a new --version"):
        install(package, settings)


def test_the_link_moves_and_goes(signed_package: Package, settings: Settings) -> None:
    assert current(settings) is None
    with opened(signed_package.folder) as package:
        folder, _ = install(package, settings)
    target = relative(folder, settings)
    point_current(settings, target)
    assert current(settings) == target
    assert (releases_path(settings) / "current" / "models" / "manifest.json").is_file()
    point_current(settings, None)
    assert current(settings) is None


def test_packages_are_found_by_version(signed_package: Package, settings: Settings) -> None:
    folder = settings.workspace_path / "packages"
    folder.mkdir(parents=True)
    shutil.copy(signed_package.archive, folder)
    assert find_package(settings, "v1.0.0-hpo", None) == find_package(settings, "1.0.0-hpo", None)
    with pytest.raises(BadInputError, match=r"found production_v1\.0\.0-hpo\.tar\.gz"):
        find_package(settings, "2.0.0", None)
    with pytest.raises(BadInputError, match="found neither"):
        find_package(settings, None, None)


def test_a_backup_holds_what_runs_and_puts_a_lost_state_back(
    client: Any, settings: Settings, tmp_path: Path, signed_package: Package
) -> None:
    topics = Topics()
    client.hset(topics.cursor, mapping={"entry": "5-0", "bundle": '{"after": "0-0"}'})
    client.hset(topics.state, "AAA", b"\x00\xff\x01")
    by_folder = settings.deploy.model_copy(update={"source": "folder"})
    with opened(signed_package.folder) as package:
        installed, _ = install(package, settings)
    before = Before(current=relative(installed, settings))
    backup = tmp_path / "backup"
    back_up(settings.model_copy(update={"deploy": by_folder}), client, before, backup)
    assert verify_backup(backup) == []
    assert verify_bundle(backup / "champion")[1] == verify_bundle(installed / "models")[1]
    assert json.loads((backup / "registry.json").read_bytes())["current"] == before.current

    with pytest.raises(BadInputError, match="knows more than"):
        restore_partition(client, backup, topics)
    told = dump_partition(client, topics)
    client.delete(topics.cursor, topics.state)
    client.set(topics.lease, "1:somebody")
    with pytest.raises(BadInputError, match="stop it first"):
        restore_partition(client, backup, topics)
    client.delete(topics.lease)
    assert restore_partition(client, backup, topics) == "5-0"
    assert dump_partition(client, topics) == told

    (backup / "partition-0.json.gz").write_bytes(b"cut")
    assert verify_backup(backup) == ["partition-0.json.gz"]
    with pytest.raises(BadInputError, match="missing or altered"):
        restore_partition(client, backup, topics)


def test_settings_in_a_backup_hold_no_password(client: Any, tmp_path: Path, embedded_url: str) -> None:
    settings = Settings(
        workspace=tmp_path / "var",
        redis={"url": embedded_url.replace("redis://", "redis://default:sesame@")},
        deploy={"source": "folder"},
    )
    back_up(settings, client, Before(), tmp_path / "backup")
    assert b"sesame" not in (tmp_path / "backup" / "settings.json").read_bytes()


def test_records_are_found_again_newest_first(settings: Settings) -> None:
    assert unfinished(settings) is None
    for day, status in ((1, "done"), (2, "running")):
        began = datetime(2026, 1, day, tzinfo=UTC)
        folder = new_folder(settings, "1.0.0", began)
        one = Deployment(
            id="x", version="1.0.0", package="p", package_sha256="s", bundle="b", bundle_sha256="t", by="ada",
            why="", source="registry", started_at=began, status=status,  # type: ignore[arg-type]
        )  # fmt: skip
        save(one, folder)
    (settings.workspace_path / "deployments" / "20260103T000000Z-1.0.0").mkdir()  # cut off before its record
    assert [one.status for _, one in records(settings)] == ["running", "done"]
    found = unfinished(settings)
    assert found is not None
    assert load(found[0]).started_at.day == 2
    (found[0] / "deployment.json").write_text("{")
    with pytest.raises(BadInputError, match="restore it"):
        unfinished(settings)


def test_one_deployment_at_a_time(settings: Settings) -> None:
    with alone(settings), pytest.raises(DeploymentBusyError, match="one under way"), alone(settings):
        pass
    with alone(settings):
        pass
