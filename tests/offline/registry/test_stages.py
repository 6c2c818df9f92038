"""What a version says of itself: tags, searched params and metrics; and the alias, which alone decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadInputError
from contracts.model.bundle import verify_bundle, write_bundle
from contracts.model.grid import HORIZONS
from contracts.registry import BUNDLE_MODEL, horizon_model
from offline.registry import find_champion, publish, sqlite_uri
from tests.market import TestMarket

pytestmark = pytest.mark.xdist_group("registry")

SEARCH = {"best_pinball": 0.0288, "n_trials": 50, "n_pruned": 39}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stages")


@pytest.fixture(scope="module")
def bundles(market: TestMarket, place: Path) -> tuple[Path, Path]:
    """The market's bundle, and the same tuned for T42."""
    manifest, _, files = verify_bundle(market.folder)
    params = {**manifest.params, "T42": {**manifest.params["T42"], "tuned": True, "hpo": SEARCH}}
    tuned = manifest.model_copy(update={"params": params, "version": "1.0.0-hpo"})
    return market.folder, write_bundle(place / "tuned", tuned, files)


@pytest.fixture(scope="module")
def client(place: Path, bundles: tuple[Path, Path]) -> Any:
    """A registry with the first as champion and the tuned one as challenger."""
    from mlflow.tracking import MlflowClient

    uri = sqlite_uri(place)
    publish(bundles[0], uri, artifacts=place / "artifacts")
    publish(bundles[1], uri, artifacts=place / "artifacts", alias="challenger")
    return MlflowClient(uri, uri)


def stages(client: Any, version: str) -> set[str]:
    """Of a bundle version and the four models it pins."""
    tags = client.get_model_version(BUNDLE_MODEL, version).tags
    pinned = [
        client.get_model_version(horizon_model(horizon), tags[f"T{horizon}_version"]) for horizon in HORIZONS
    ]
    return {tags["stage"], *(one.tags["stage"] for one in pinned)}


def test_a_searched_horizon_tells_of_its_search(client: Any) -> None:
    for horizon in HORIZONS:
        version = client.get_model_version(horizon_model(horizon), "2")
        assert version.tags["version"] == "1.0.0-hpo"
        assert version.tags["hpo"] == ("true" if horizon == 42 else "false")
        assert version.tags["date"] == "2020-08-21"
        run = client.get_run(version.run_id).data
        assert run.params["rounds"] == "8"
        assert "rows" in run.metrics
        if horizon == 42:
            assert run.params["best_rounds"] == "8"
            assert run.params["best_learning_rate"] == "0.1"
            assert run.metrics["best_pinball_loss"] == 0.0288
            assert (run.metrics["n_trials"], run.metrics["n_pruned"]) == (50, 39)
        else:
            assert not {name for name in {**run.params, **run.metrics} if name.startswith("best_")}
        model = client.get_logged_model(version.source.removeprefix("models:/"))
        assert {**model.params, "horizon_bars": str(horizon)} == run.params, "its page shows them too"
        assert {metric.key: metric.value for metric in model.metrics} == run.metrics
    assert client.get_model_version(BUNDLE_MODEL, "2").tags["hpo"] == "false", "not all four were tuned"


def test_the_alias_is_the_switch_and_stage_tags_follow(
    client: Any, bundles: tuple[Path, Path], place: Path
) -> None:
    uri, artifacts = sqlite_uri(place), place / "artifacts"
    assert find_champion(uri, "champion").version == "1"
    assert (stages(client, "1"), stages(client, "2")) == ({"production"}, {"staging"})

    promoted = publish(bundles[1], uri, artifacts=artifacts)
    assert (promoted.version, promoted.is_new) == ("2", False)
    assert find_champion(uri, "champion").version == "2"
    assert find_champion(uri, "previous").version == "1"
    assert (stages(client, "1"), stages(client, "2")) == ({"archived"}, {"production"})

    assert publish(bundles[0], uri, artifacts=artifacts).version == "1"
    assert find_champion(uri, "champion").version == "1"
    assert find_champion(uri, "previous").version == "2"
    assert stages(client, "1") == {"production"}
    for name in (BUNDLE_MODEL, *map(horizon_model, HORIZONS)):
        assert len(client.search_model_versions(f"name = '{name}'")) == 2, "moving an alias registers nothing"
    for horizon in HORIZONS:
        assert not client.get_registered_model(horizon_model(horizon)).aliases


@pytest.mark.parametrize("alias", ["latest", "v2", "Champion", "a b", ""])
def test_an_alias_mlflow_keeps_for_itself_is_refused_before_anything_is_written(
    alias: str, market: TestMarket, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="expected an alias such as champion"):
        publish(market.folder, sqlite_uri(tmp_path), artifacts=tmp_path / "artifacts", alias=alias)
    assert not any(tmp_path.iterdir())
