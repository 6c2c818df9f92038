"""Deploying by folder against a stand-in for the worker's pages, which takes a bundle or never does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from contracts.model.bundle import load_bundle
from offline.package import Package
from ops.deployment import deploy as module
from ops.deployment.cut_off import take_back_unfinished
from ops.deployment.deploy import Asked, deploy, is_live
from ops.deployment.errors import DeploymentError
from ops.deployment.install import current, point_current, releases_path
from ops.deployment.package import Opened, opened
from ops.deployment.record import load, records, unfinished
from ops.deployment.rollback import roll_back
from ops.release import ReleaseRefusedError
from ops.settings import Settings
from tests.market import TestMarket
from tests.ops.deployment.packs import make_package

ASKED = Asked(by="ada", why="better", wait=False)


class Pages:
    """The pages of a worker that serves what the link says, unless it is stuck on what it served before."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.stuck: Path | None = None

    @property
    def bundle(self) -> Path | None:
        link = self.workspace / "releases" / "current"
        return self.stuck or (link.resolve() / "models" if link.exists() else None)

    def page(self, path: str) -> bytes:
        if path == "/metrics":
            return b"# TYPE bands_ready gauge\nbands_ready 1.0\n"
        if path == "/asyncapi.json":
            return b'{"asyncapi": "3.0.0"}'
        if self.bundle is None:
            return json.dumps({"ready": False, "problems": ["bundle: none in force"]}).encode()
        sha256 = hashlib.sha256((self.bundle / "manifest.json").read_bytes()).hexdigest()
        return json.dumps(
            {"ready": True, "partition": 0, "bundle": sha256[:12], "bundle_sha256": sha256}
        ).encode()


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[tuple[Pages, str]]:
    told = Pages(tmp_path / "var")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = told.page(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield told, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def by_folder(settings: Settings, pages: tuple[Pages, str]) -> Settings:
    return Settings(
        workspace=settings.workspace,
        redis=settings.redis,
        deploy={"source": "folder", "restart": "true", "workers": [pages[1]], "ready_timeout_s": 0.5},
    )


@pytest.fixture(scope="module")
def second(market: TestMarket, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return make_package(tmp_path_factory.mktemp("second"), market.folder, "1.1.0-hpo")


@pytest.fixture
def first_live(signed_package: Package, by_folder: Settings, client: Any) -> str:
    with opened(signed_package.archive) as package:
        job = deploy(by_folder, client, package, ASKED, lambda _: None)
        assert is_live(by_folder, client, package)
    assert job.record.status == "done"
    target = current(by_folder)
    assert target is not None
    return target


def test_a_deployment_leaves_its_record_its_backup_and_a_baseline(
    first_live: str, by_folder: Settings, client: Any, second: Package
) -> None:
    with opened(second.archive) as package:
        job = deploy(by_folder, client, package, ASKED, lambda _: None)
    assert [one.name for one in job.record.steps] == [name for name, _ in module.STEPS]
    assert job.record.before is not None
    assert job.record.before.current == first_live
    kept = load_bundle(job.folder / "backup" / "champion", accelerate=False)
    assert kept.manifest.version == "1.0.0-hpo"
    baseline = json.loads((job.folder / "baseline.json").read_bytes())
    assert baseline["prediction"]["n"] == 200
    assert len(baseline["first_bands"]) == 8, "two symbols, four horizons"
    done = roll_back(by_folder, client, to="previous", by="ada", why="", tell=lambda _: None)
    assert done.current == current(by_folder) == first_live
    assert load(job.folder).status == "rolled_back"
    with pytest.raises(ReleaseRefusedError, match="found none"):
        roll_back(by_folder, client, to="previous", by="ada", why="", tell=lambda _: None)


def test_a_worker_that_never_takes_it_brings_the_old_one_back(
    first_live: str, by_folder: Settings, client: Any, second: Package, pages: tuple[Pages, str]
) -> None:
    pages[0].stuck = releases_path(by_folder) / first_live / "models"
    told: list[str] = []
    with opened(second.archive) as package, pytest.raises(DeploymentError, match="every worker to serve"):
        deploy(by_folder, client, package, ASKED, told.append)
    assert current(by_folder) == first_live
    assert [one.status for _, one in records(by_folder)] == ["returned", "done"]
    assert any(line.startswith("GOING BACK") for line in told)
    assert told[-1].startswith("WENT BACK")


@pytest.mark.parametrize(
    ("step", "then"),
    [
        ("backup", "deploy"),
        ("switch", "deploy"),
        ("first bands", "deploy"),
        ("install", "rollback"),
        ("switch", "rollback"),
        ("baseline", "rollback"),
    ],
)
def test_cut_off_in_a_step_it_goes_on_or_back(
    step: str,
    then: str,
    first_live: str,
    by_folder: Settings,
    client: Any,
    second: Package,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off as by kill -9: nothing is put back, the record stays as it was."""
    cut_off_after(step, monkeypatch)
    with opened(second.archive) as package, monkeypatch.context() as patched:
        patched.setattr(module, "go_back", lambda *_: None)
        with pytest.raises(DeploymentError, match="power"):
            deploy(by_folder, client, package, ASKED, lambda _: None)
    monkeypatch.undo()
    found = unfinished(by_folder)
    assert found is not None
    assert found[1].status == "running"
    if then == "deploy":
        with opened(second.archive) as package:
            job = deploy(by_folder, client, package, ASKED, lambda _: None)
        assert job.folder == found[0]
        assert job.record.before is not None
        assert job.record.before.current == first_live, "what ran before, not what it had made itself"
        assert current(by_folder) == job.record.release
    else:
        roll_back(by_folder, client, to="previous", by="ada", why="", tell=lambda _: None)
        assert current(by_folder) == first_live
        switched = step not in {"check", "backup", "install", "publish"}
        assert load(found[0]).status == ("returned" if switched else "failed")
    assert unfinished(by_folder) is None


def test_another_version_takes_back_what_was_cut_off_first(
    first_live: str,
    by_folder: Settings,
    client: Any,
    second: Package,
    market: TestMarket,
    tmp_path: Path,
) -> None:
    left_switched(by_folder, client, second)
    third = make_package(tmp_path / "third", market.folder, "1.2.0-hpo")
    with opened(third.archive) as package:
        job = deploy(by_folder, client, package, ASKED, lambda _: None)
    assert job.record.before is not None
    assert job.record.before.current == first_live
    assert [one.status for _, one in records(by_folder)].count("returned") == 1


def test_a_package_that_fails_its_check_takes_nothing_back(
    first_live: str,
    by_folder: Settings,
    client: Any,
    second: Package,
    market: TestMarket,
    tmp_path: Path,
) -> None:
    left_switched(by_folder, client, second)
    serves = current(by_folder)
    assert serves != first_live
    nobody = by_folder.deploy.model_copy(update={"workers": ("http://127.0.0.1:9",)})
    third = make_package(tmp_path / "third", market.folder, "1.2.0-hpo")
    with opened(third.archive) as package, pytest.raises(DeploymentError, match="stays as it is"):
        deploy(by_folder.model_copy(update={"deploy": nobody}), client, package, ASKED, lambda _: None)
    assert current(by_folder) == serves
    assert [one.status for _, one in records(by_folder)] == ["running", "done"]


def test_a_link_that_was_moved_since_stays(
    first_live: str, by_folder: Settings, client: Any, second: Package
) -> None:
    left_switched(by_folder, client, second)
    point_current(by_folder, "by/hand")
    job = take_back_unfinished(by_folder, client, lambda _: None, "cut off")
    assert job is not None
    assert job.record.status == "left"
    assert current(by_folder) == "by/hand"


def test_the_folder_has_no_contingency_and_says_so(first_live: str, by_folder: Settings, client: Any) -> None:
    with pytest.raises(BadInputError, match="deploy --package"):
        roll_back(by_folder, client, to="contingency", by="ada", why="", tell=lambda _: None)
    assert current(by_folder) == first_live


def test_an_interrupt_goes_back(
    first_live: str, by_folder: Settings, client: Any, second: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> str:
        raise KeyboardInterrupt

    steps = tuple((name, interrupted if name == "smoke" else step) for name, step in module.STEPS)
    monkeypatch.setattr(module, "STEPS", steps)
    with opened(second.archive) as package, pytest.raises(KeyboardInterrupt):
        deploy(by_folder, client, package, ASKED, lambda _: None)
    assert current(by_folder) == first_live
    assert next(records(by_folder))[1].status == "returned"


def test_without_both_signatures_nothing_is_even_noted(
    by_folder: Settings, client: Any, market: TestMarket, tmp_path: Path
) -> None:
    package = make_package(tmp_path, market.folder, "1.3.0", roles=("product-owner",))
    with opened(package.archive) as unpacked, pytest.raises(BadInputError, match="architect"):
        deploy(by_folder, client, unpacked, ASKED, lambda _: None)
    assert list(records(by_folder)) == []
    assert current(by_folder) is None


def left_switched(settings: Settings, client: Any, package: Package) -> None:
    """A deployment whose power went right after the switch, and with it the way back."""
    with opened(package.archive) as found, pytest.MonkeyPatch.context() as patched:
        cut_off_after("switch", patched)
        patched.setattr(module, "go_back", lambda *_: None)
        with pytest.raises(DeploymentError):
            deploy(settings, client, found, ASKED, lambda _: None)


def cut_off_after(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step does its work, and the power goes before that is on record."""

    def cut(step: Any) -> Any:
        def run(job: Any, package: Opened, asked: Asked) -> str:
            step(job, package, asked)
            raise RuntimeError("the power went")

        return run

    steps = tuple((one, cut(step) if one == name else step) for one, step in module.STEPS)
    monkeypatch.setattr(module, "STEPS", steps)
