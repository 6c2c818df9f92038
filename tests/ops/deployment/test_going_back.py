"""The way back on a real registry: what others have done since stays, and nothing bars the emergency exit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from contracts.errors import BadInputError
from contracts.events import Release
from contracts.model.bundle import verify_bundle, write_bundle
from contracts.registry import BUNDLE_MODEL
from contracts.topics import RELEASES
from offline.registry import publish, sqlite_uri
from ops.deployment.back import go_back
from ops.deployment.checks.registry import registry_findings
from ops.deployment.cut_off import overtaken
from ops.deployment.errors import DeploymentError
from ops.deployment.job import Job
from ops.deployment.record import Before, Deployment, load, new_folder, now, unfinished
from ops.deployment.rollback import roll_back
from ops.deployment.switch import CONTINGENCY, Switch
from ops.release import ReleaseRefusedError
from ops.security.signing import new_keys, sign_bundle
from ops.settings import Settings
from tests.market import TestMarket

pytestmark = pytest.mark.xdist_group("going_back")

VERSIONS = ("1.0.0-hpo", "1.1.0-hpo", "1.2.0-hpo")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, market: TestMarket) -> Path:
    """A registry of three bundles, the first of them champion; our key has signed all but the first."""
    home = tmp_path_factory.mktemp("registry")
    keys = new_keys(home / "keys")
    manifest, _, files = verify_bundle(market.folder)
    for number, version in enumerate(VERSIONS):
        path = write_bundle(home / version, manifest.model_copy(update={"version": version}), files)
        if number:
            sign_bundle(path, keys.private)
        store = home / "mlflow"
        alias = None if number else "champion"
        publish(path, sqlite_uri(store), artifacts=store / "artifacts", alias=alias)
    return home


@pytest.fixture
def settings(home: Path, tmp_path: Path, embedded_url: str) -> Settings:
    store = tmp_path / "var" / "mlflow"
    store.mkdir(parents=True)
    shutil.copy(home / "mlflow" / "mlflow.db", store / "mlflow.db")
    return Settings(workspace=tmp_path / "var", redis={"url": embedded_url}, deploy={"ready_timeout_s": 0.1})


@pytest.fixture
def careful(settings: Settings, home: Path) -> Settings:
    """It trusts our key alone, which has not signed the first."""
    keys = settings.signing.model_copy(update={"trusted_keys": (home / "keys" / "signing.pub.pem",)})
    return settings.model_copy(update={"signing": keys})


def registry(settings: Settings) -> MlflowClient:
    return MlflowClient(settings.registry_uri, settings.registry_uri)


def aliases(settings: Settings) -> dict[str, str]:
    found = registry(settings).get_registered_model(BUNDLE_MODEL).aliases
    return {name: str(version) for name, version in found.items()}


def second_deployed(settings: Settings, client: Any) -> Job:
    """Version 2 over whatever leads, cut off after the switch."""
    switch = Switch(settings, client)
    made = registry(settings).get_model_version(BUNDLE_MODEL, "2")
    began = now()
    record = Deployment(
        id="x",
        version=VERSIONS[1],
        package="p",
        package_sha256="s",
        bundle=made.tags["label"],
        bundle_sha256=made.tags["bundle_sha256"],
        by="ada",
        why="",
        source="registry",
        started_at=began,
        switching=True,
        before=Before.of(switch.lineup(), None),
    )
    job = Job(settings, client, new_folder(settings, VERSIONS[1], began), record, lambda _: None)
    job.save()
    assert switch.install("2", record.bundle, by="ada", why="") is not None
    return job


def third_promoted(settings: Settings, client: Any) -> None:
    switch = Switch(settings, client)
    switch.shadow("3", share=0.0, by="grace", why="")
    switch.promote(by="grace", why="")


def test_what_is_in_shadow_meanwhile_stays_there(settings: Settings, client: Any) -> None:
    job = second_deployed(settings, client)
    Switch(settings, client).shadow("3", share=0.4, by="retrainer", why="")
    go_back(job, "the first bands were none")
    assert job.record.status == "returned"
    assert aliases(settings) == {"champion": "1", "challenger": "3"}
    assert registry(settings).get_model_version(BUNDLE_MODEL, "3").tags["share"] == "0.4"


def test_the_challenger_that_was_deployed_is_one_again(settings: Settings, client: Any) -> None:
    Switch(settings, client).shadow("2", share=0.3, by="grace", why="")
    job = second_deployed(settings, client)
    assert aliases(settings) == {"champion": "2", "previous": "1"}
    go_back(job, "smoke")
    assert aliases(settings) == {"champion": "1", "challenger": "2"}
    assert registry(settings).get_model_version(BUNDLE_MODEL, "2").tags["share"] == "0.3"
    go_back(job, "again")
    assert aliases(settings) == {"champion": "1", "challenger": "2"}


def test_a_champion_released_since_is_rolled_back_to_the_one_before_it(
    settings: Settings, client: Any
) -> None:
    job = second_deployed(settings, client)
    assert not overtaken(settings, client, job.record)
    third_promoted(settings, client)
    assert overtaken(settings, client, job.record)
    told: list[str] = []
    done = roll_back(settings, client, to="previous", by="ada", why="coverage", tell=told.append)
    assert aliases(settings) == {"champion": "2", "previous": "3"}
    assert done.bundle_sha256 == job.record.bundle_sha256
    assert load(job.folder).status == "left"
    assert any(line.startswith("NOT PUT BACK") for line in told)
    entries = [Release.from_wire(fields[b"data"]) for _, fields in client.xrange(RELEASES)]
    assert [one.action for one in entries] == ["promote", "shadow", "promote", "rollback"]


def test_whoever_came_back_to_it_by_hand_keeps_it(settings: Settings, client: Any) -> None:
    job = second_deployed(settings, client)
    third_promoted(settings, client)
    Switch(settings, client).rollback(by="grace", why="")
    go_back(job, "interrupted")
    assert job.record.status == "left"
    assert aliases(settings) == {"champion": "2", "previous": "3"}


def test_a_way_back_that_is_refused_stands_in_nobodys_way(
    settings: Settings, careful: Settings, client: Any
) -> None:
    job = second_deployed(settings, client)
    with pytest.raises(DeploymentError, match="rollback --to contingency"):
        roll_back(careful, client, to="previous", by="ada", why="", tell=lambda _: None)
    assert load(job.folder).status == "left"
    assert unfinished(careful) is None
    assert aliases(settings) == {"champion": "2", "previous": "1"}
    with pytest.raises(ReleaseRefusedError, match="sign"):
        roll_back(careful, client, to="previous", by="ada", why="", tell=lambda _: None)


@pytest.mark.parametrize("harm", ["not signed", "gone", "an unreadable record"])
def test_the_contingency_comes_whatever_the_return_says(
    settings: Settings, careful: Settings, client: Any, harm: str
) -> None:
    job = second_deployed(settings, client)
    told: list[str] = []
    with pytest.raises(BadInputError, match="behind @contingency"):
        roll_back(careful, client, to="contingency", by="ada", why="", tell=told.append)
    assert load(job.folder).status == "running", "without a contingency nothing is touched"
    registry(settings).set_registered_model_alias(BUNDLE_MODEL, CONTINGENCY, "3")
    match harm:
        case "gone":
            registry(settings).delete_model_version(BUNDLE_MODEL, "1")
        case "an unreadable record":
            (job.folder / "deployment.json").write_text("{")
    roll_back(careful, client, to="contingency", by="ada", why="", tell=told.append)
    assert aliases(settings)["champion"] == "3"
    assert told[-1].endswith("the contingency nevertheless")
    if harm != "an unreadable record":
        assert load(job.folder).status == "left"


def test_a_previous_one_that_is_gone_does_not_bar_the_way_back(settings: Settings, client: Any) -> None:
    third_promoted(settings, client)
    job = second_deployed(settings, client)
    assert job.record.before is not None
    assert job.record.before.previous is not None
    registry(settings).delete_model_version(BUNDLE_MODEL, job.record.before.previous.version)
    go_back(job, "smoke")
    assert job.record.status == "returned"
    assert aliases(settings) == {"champion": "3"}


def test_the_check_warns_of_a_champion_without_a_way_back(
    settings: Settings, careful: Settings, client: Any
) -> None:
    assert [one.name for one in registry_findings(settings)] == ["registry"]
    assert [(one.name, one.status) for one in registry_findings(careful)] == [
        ("registry", "pass"),
        ("way back", "warn"),
    ]
    second_deployed(settings, client)
    assert [one.status for one in registry_findings(careful)] == ["pass", "pass"]
