"""What the boosters of one horizon split on: each feature's share of the gain."""

from __future__ import annotations

from collections.abc import Sequence

import lightgbm as lgb
import numpy as np


def gain_shares(boosters: Sequence[lgb.Booster]) -> tuple[float, ...]:
    """Each feature's share of the gain of all boosters, summing to one; zeros when none has a split."""
    gains = np.array([booster.feature_importance("gain") for booster in boosters], dtype=np.float64)
    gain = gains.sum(axis=0)
    return tuple((gain / max(gain.sum(), np.finfo(np.float64).tiny)).tolist())
