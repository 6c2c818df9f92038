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


def gain_shares(manifest: Manifest, files: Mapping[str, bytes]) -> dict[int, NDArray[np.float64]]:
    """Per horizon each feature's share of the gain of its five levels, (features,); zeros without splits.

    Raises:
        BadInputError: a model is not LightGBM's text or has another number of features.
    """
    shares = {}
    for head in manifest.heads:
        gain = np.zeros(len(manifest.features.names))
        for level in LEVEL_NAMES:
            path = f"models/{model_name(head.horizon_bars, level)}.txt"
            try:
                found = lgb.Booster(model_str=files[path].decode()).feature_importance("gain")
            except (lgb.basic.LightGBMError, UnicodeDecodeError) as error:
                raise BadInputError(
                    f"expected a LightGBM model in {path}, found: {error}; train the bundle again"
                ) from error
            if found.shape != gain.shape:
                raise BadInputError(f"expected {len(gain)} features in {path}, found {len(found)}")
            gain += found
        total = gain.sum()
        shares[head.horizon_bars] = gain / total if total > 0 else gain
    return shares
