"""Small LightGBM quantile boosters for the forest's tests."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

TINY = float(np.float32(1e-35))
EXTREMES = (0.0, -0.0, 5e-324, -5e-324, 1e-310, -1e-310, TINY, -TINY, 1e-30, -1e-30, 1e300, -1e300, 1.7e308)


def train(X: NDArray[np.float64], y: NDArray[np.float64], rounds: int, **params: Any) -> lgb.Booster:
    """One booster, deterministic and single-threaded; quantile unless `params` say otherwise."""
    settings = {
        "objective": "quantile",
        "alpha": 0.5,
        "verbose": -1,
        "num_threads": 1,
        "min_data_in_leaf": 3,
        "deterministic": True,
        **params,
    }
    return lgb.train(settings, lgb.Dataset(X, y, params={"verbose": -1}), rounds)


def sample(seed: int, n: int, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows with repeated values, zeros and extremes, and labels that depend on them."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, n_features)), 2)
    odd = rng.random(X.shape) < 0.1
    # Not beyond 1e299: a split there gets a threshold that dump_model can not print.
    X[odd] = np.clip(rng.choice(EXTREMES, size=int(odd.sum())), -1e299, 1e299)
    return X, np.sign(X[:, 0]) + np.clip(X, -3, 3).sum(axis=1) + rng.standard_t(3, size=n)


def queries(booster: lgb.Booster, X: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Training rows, every threshold and its two neighbours, and extremes, shuffled per column."""
    rng = np.random.default_rng(seed)
    dump = booster.dump_model()
    thresholds: list[float] = []
    waiting = [tree["tree_structure"] for tree in dump["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "threshold" in node:
            thresholds.append(node["threshold"])
            waiting += [node["left_child"], node["right_child"]]
    exact = np.array(thresholds)
    values = np.concatenate([X.ravel(), exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf)])
    values = np.concatenate([values, EXTREMES, -np.array(EXTREMES)])
    picked = np.stack([rng.permutation(values) for _ in range(X.shape[1])], axis=1)
    return np.concatenate([X, picked])
