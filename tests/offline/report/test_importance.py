"""What the report says the models split on: the manifest's word, or the models' own."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.errors import BadInputError
from contracts.model.bundle import Bundle, load_bundle
from contracts.model.grid import HORIZONS
from offline.report.importance import importance_of
from tests.offline.report.conftest import Inputs


@pytest.fixture(scope="module")
def bundle(made: Inputs) -> Bundle:
    return load_bundle(made.bundle)


def models(made: Inputs) -> dict[str, bytes]:
    return {f"models/{file.name}": file.read_bytes() for file in (made.bundle / "models").iterdir()}


def test_the_manifest_is_believed_and_no_model_is_read(bundle: Bundle) -> None:
    told = bundle.manifest.importance
    assert told is not None
    found = importance_of(bundle.manifest, {})
    assert {horizon: tuple(shares) for horizon, shares in found.items()} == {
        horizon: told[f"T{horizon}"] for horizon in HORIZONS
    }


def test_models_of_a_bundle_of_before_are_asked_and_say_the_same(bundle: Bundle, made: Inputs) -> None:
    before = bundle.manifest.model_copy(update={"importance": None})
    found, told = importance_of(before, models(made)), importance_of(bundle.manifest, {})
    assert set(found) == set(HORIZONS)
    for horizon, shares in found.items():
        assert shares.sum() == pytest.approx(1.0)
        assert np.array_equal(shares, told[horizon])


def test_what_does_not_fit_the_features_is_refused(bundle: Bundle, made: Inputs) -> None:
    short = bundle.manifest.model_copy(update={"importance": {"T42": (1.0,)}})
    with pytest.raises(BadInputError, match="importance of 33 features at T42"):
        importance_of(short, models(made))
    before = bundle.manifest.model_copy(update={"importance": None})
    with pytest.raises(BadInputError, match=r"LightGBM model in models/T42_q05\.txt"):
        importance_of(before, models(made) | {"models/T42_q05.txt": b"\xff"})
    fewer = bundle.manifest.features.model_copy(update={"names": bundle.manifest.features.names[1:]})
    with pytest.raises(BadInputError, match="expected 32 features in models/T42"):
        importance_of(before.model_copy(update={"features": fewer}), models(made))
