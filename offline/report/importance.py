"""What the boosters of a bundle split on: each feature's share of the gain."""

from __future__ import annotations

from collections.abc import Mapping

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadInputError
from contracts.model.bundle import Manifest
from contracts.model.grid import LEVEL_NAMES
from contracts.model.predictor import model_name
from offline.train.importance import gain_shares


def importance_of(manifest: Manifest, files: Mapping[str, bytes]) -> dict[int, NDArray[np.float64]]:
    """Per horizon each feature's share of the gain of its five levels, (features,); zeros without splits.

    As the manifest says; bundles of before say nothing, and their models are asked.

    Raises:
        BadInputError: a model is not LightGBM's text, or shares are of another number of features.
    """
    n_features = len(manifest.features.names)
    shares = {}
    for horizon in (head.horizon_bars for head in manifest.heads):
        share = (manifest.importance or {}).get(f"T{horizon}")
        if share is None:
            share = gain_shares(_boosters(horizon, files, n_features))
        elif len(share) != n_features:
            raise BadInputError(
                f"expected the importance of {n_features} features at T{horizon} in the manifest, found "
                f"{len(share)}; train the bundle again"
            )
        shares[horizon] = np.array(share)
    return shares


def _boosters(horizon: int, files: Mapping[str, bytes], n_features: int) -> list[lgb.Booster]:
    boosters = []
    for level in LEVEL_NAMES:
        path = f"models/{model_name(horizon, level)}.txt"
        try:
            booster = lgb.Booster(model_str=files[path].decode())
        except (lgb.basic.LightGBMError, UnicodeDecodeError) as error:
            raise BadInputError(
                f"expected a LightGBM model in {path}, found: {error}; train the bundle again"
            ) from error
        if booster.num_feature() != n_features:
            raise BadInputError(
                f"expected {n_features} features in {path}, found {booster.num_feature()}; train the bundle "
                "again"
            )
        boosters.append(booster)
    return boosters
