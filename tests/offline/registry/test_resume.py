"""Publishing that is cut off, at every place where it could leave half of something, and repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from contracts.model.grid import HORIZONS
from contracts.registry import BUNDLE_MODEL, horizon_model
from offline.registry import Published, RegistryError, find_champion, publish, sqlite_uri
from tests.market import TestMarket

pytestmark = pytest.mark.xdist_group("registry")


def versions(client: MlflowClient, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))


def test_a_publication_that_is_cut_off_pins_nothing_and_goes_on(
    market: TestMarket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, artifacts = sqlite_uri(tmp_path), tmp_path / "artifacts"
    client = MlflowClient(uri, uri)
    made: list[str] = []
    real = MlflowClient.create_model_version

    def dies_at(doomed: str) -> Any:
        def create(self: MlflowClient, name: str, *args: Any, **more: Any) -> Any:
            if name == doomed:
                raise MlflowException("the registry went away")
            made.append(name)
            return real(self, name, *args, **more)

        return create

    for doomed, finished in ((horizon_model(54), HORIZONS[:2]), (BUNDLE_MODEL, HORIZONS)):
        monkeypatch.setattr(MlflowClient, "create_model_version", dies_at(doomed))
        with pytest.raises(RegistryError, match="went away"):
            publish(market.folder, uri, artifacts=artifacts)
        assert made == [horizon_model(horizon) for horizon in finished]
        assert not versions(client, BUNDLE_MODEL), "no bundle version before all it pins is there"
        with pytest.raises(RegistryError):
            find_champion(uri, "champion")
    monkeypatch.setattr(MlflowClient, "create_model_version", real)

    def unmoved(*_: Any) -> None:
        raise MlflowException("the registry went away")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", unmoved)
        with pytest.raises(RegistryError, match="went away"):
            publish(market.folder, uri, artifacts=artifacts)
    (whole,) = versions(client, BUNDLE_MODEL)
    assert whole.tags["stage"] == "staging", "no alias, not in production"

    done = publish(market.folder, uri, artifacts=artifacts)
    assert not done.is_new
    assert done.horizons == dict.fromkeys(HORIZONS, "1")
    assert find_champion(uri, "champion").version == "1"
    for horizon in HORIZONS:
        (one,) = versions(client, horizon_model(horizon))
        assert whole.tags[f"T{horizon}_version"] == str(one.version)
        assert one.tags["bundle_sha256"] == market.bundle.sha256
        assert one.tags["stage"] == "production"
    experiment = client.get_experiment_by_name("quant-bands")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 + len(HORIZONS), "runs that were cut off are completed, not left behind"
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_stage_tags_that_were_cut_off_are_completed(
    market: TestMarket, published: Published, home: Path, client: Any
) -> None:
    uri = sqlite_uri(home)
    tag = client.set_model_version_tag
    tag(BUNDLE_MODEL, published.version, "stage", "staging")
    tag(horizon_model(60), published.horizons[60], "stage", "staging")
    publish(market.folder, uri, artifacts=home / "artifacts")
    assert client.get_model_version(BUNDLE_MODEL, published.version).tags["stage"] == "production"
    pinned = client.get_model_version(horizon_model(60), published.horizons[60])
    assert pinned.tags["stage"] == "production"
