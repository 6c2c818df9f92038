"""The registry: four models and the bundle that pins them, and a worker that finds its champion."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.model.calibrator import BandContext
from contracts.model.grid import HORIZONS, LEVEL_NAMES
from contracts.registry import BUNDLE_MODEL, horizon_model
from offline.dataset import build_dataset
from offline.registry import Published, RegistryError, find_champion, publish, sqlite_uri
from tests.market import TestMarket
from worker.look_up import FetchError
from worker.registry import RegistrySettings, fetch_lineup, kept_lineup

pytestmark = pytest.mark.xdist_group("registry")


def test_the_bundle_version_pins_four_horizon_models(
    published: Published, client: Any, market: TestMarket
) -> None:
    version = client.get_model_version_by_alias(BUNDLE_MODEL, "champion")
    assert str(version.version) == published.version
    assert version.tags["bundle_sha256"] == market.bundle.sha256
    for horizon in HORIZONS:
        pinned = client.get_model_version(horizon_model(horizon), version.tags[f"T{horizon}_version"])
        assert {"version", "stage", "hpo", "date"} <= set(pinned.tags)
        assert pinned.tags["version"] == "0.1.0-test"


def test_publishing_the_same_bytes_again_changes_nothing(
    home: Path, published: Published, client: Any, market: TestMarket
) -> None:
    again = publish(market.folder, sqlite_uri(home), artifacts=home / "artifacts")
    assert not again.is_new
    assert (again.version, again.horizons) == (published.version, published.horizons)
    assert len(client.search_model_versions(f"name = '{BUNDLE_MODEL}'")) == 1


def test_artifacts_stay_where_they_were_told_to(home: Path, published: Published) -> None:
    assert published.is_new
    assert any((home / "artifacts").rglob("forest.npz"))
    assert not Path("mlruns").exists()


def test_a_registered_horizon_model_says_what_the_bundle_says(
    home: Path, published: Published, market: TestMarket
) -> None:
    import mlflow

    mlflow.set_tracking_uri(sqlite_uri(home))
    dataset = build_dataset(list(market.training.values()), market.bundle.spec)
    at = range(0, len(dataset), 101)
    names = [dataset.symbols[dataset.symbol[n]] for n in at]
    assert set(names) == set(dataset.symbols)
    frame = pd.DataFrame(dataset.rows[at], columns=list(market.bundle.spec.names)).assign(
        sigma=dataset.sigma[at], volatility_ratio=dataset.volatility_ratio[at], symbol=names
    )
    for horizon in (42, 60):
        model = mlflow.pyfunc.load_model(f"models:/{horizon_model(horizon)}/{published.horizons[horizon]}")
        answer = model.predict(frame)
        assert list(answer.columns) == list(LEVEL_NAMES)
        expected = [
            market.bundle.predictor.predict(
                name,
                dataset.rows[n],
                float(dataset.sigma[n]),
                BandContext(int(dataset.close_time[n]), float(dataset.volatility_ratio[n])),
            )[horizon].quantiles
            for n, name in zip(at, names, strict=True)
        ]
        np.testing.assert_array_equal(answer.to_numpy(), np.array(expected))


def test_a_worker_fetches_verifies_and_caches_the_champion(
    home: Path, published: Published, market: TestMarket, tmp_path: Path
) -> None:
    settings = RegistrySettings(sqlite_uri(home), tmp_path / "cache")
    bundle = asyncio.run(fetch_lineup(settings)).champion
    assert bundle is not None
    assert bundle.sha256 == market.bundle.sha256
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == [bundle.sha256, "last-champion.json"]
    (tmp_path / "cache" / bundle.sha256 / "forest.npz").write_bytes(b"altered")
    again = asyncio.run(fetch_lineup(settings)).champion
    assert again is not None
    assert again.sha256 == market.bundle.sha256, "an altered copy is fetched anew"


def test_an_absent_alias_and_a_registry_that_is_down_are_told(
    home: Path, published: Published, tmp_path: Path, market: TestMarket
) -> None:
    with pytest.raises(FetchError, match="bands publish"):
        asyncio.run(fetch_lineup(RegistrySettings(sqlite_uri(home), tmp_path, alias="challenger")))
    with pytest.raises(RegistryError, match="--tracking-uri"):
        find_champion(sqlite_uri(home), "challenger")
    with pytest.raises(RegistryError, match="start it"):
        publish(market.folder, "http://127.0.0.1:9", alias=None)
    with pytest.raises(FetchError, match="expected"):
        asyncio.run(fetch_lineup(RegistrySettings("http://127.0.0.1:9", tmp_path)))


def test_a_registry_that_is_down_leaves_the_worker_its_local_copy(
    home: Path, published: Published, market: TestMarket, tmp_path: Path
) -> None:
    seen = RegistrySettings(sqlite_uri(home), tmp_path / "cache")
    assert kept_lineup(seen) is None
    asyncio.run(fetch_lineup(seen))
    down = RegistrySettings("http://127.0.0.1:9", tmp_path / "cache")
    lineup = kept_lineup(down)
    assert lineup is not None
    kept = lineup.champion
    assert kept is not None
    assert kept.sha256 == market.bundle.sha256
    (tmp_path / "cache" / kept.sha256 / "forest.npz").write_bytes(b"altered")
    assert kept_lineup(down) is None


@pytest.mark.parametrize("tag", ["", "..", "/tmp", "../victim"])
def test_a_twisted_tag_reaches_no_folder(
    home: Path, published: Published, client: Any, tmp_path: Path, tag: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("x")
    version = client.get_model_version_by_alias(BUNDLE_MODEL, "champion")
    honest = version.tags["bundle_sha256"]
    client.set_model_version_tag(BUNDLE_MODEL, version.version, "bundle_sha256", tag or " ")
    try:
        with pytest.raises(FetchError, match="sha256 in the tag"):
            asyncio.run(fetch_lineup(RegistrySettings(sqlite_uri(home), tmp_path / "cache")))
    finally:
        client.set_model_version_tag(BUNDLE_MODEL, version.version, "bundle_sha256", honest)
    assert (victim / "precious").read_text() == "x"
