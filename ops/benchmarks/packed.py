"""The packed forest beside the LightGBM boosters it was made of, in one run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle import Bundle
from contracts.model.forest import ForestError, PackedForest


def load_boosters(folder: Path, bundle: Bundle) -> dict[str, lgb.Booster]:
    """The bundle's 20 LightGBM models by name; raises as LightGBM does on a broken file."""
    return {
        name: lgb.Booster(model_file=folder / "models" / f"{name}.txt")
        for name in bundle.predictor.forest.models
    }


def packed_vs_booster(
    folder: Path, boosters: Mapping[str, lgb.Booster], inputs: NDArray[np.float64]
) -> dict[str, Any]:
    """Mean ms of one row through all models, three ways in turns so that load falls on all alike."""
    forests: dict[str, PackedForest | None] = {"numpy": PackedForest.load(folder / "forest.npz", False)}
    try:
        forests["numba"] = PackedForest.load(folder / "forest.npz", accelerate=True)
    except ForestError:
        forests["numba"] = None
    spent = dict.fromkeys(("booster", *forests), 0)
    identical = True
    for x in inputs:
        one = x[None, :]
        began = perf_counter_ns()
        plain = np.array([booster.predict(one, num_threads=1)[0] for booster in boosters.values()])
        spent["booster"] += perf_counter_ns() - began
        for name, forest in forests.items():
            if forest is None:
                continue
            began = perf_counter_ns()
            packed = forest.predict_row(x)
            spent[name] += perf_counter_ns() - began
            identical = identical and bool(np.array_equal(packed, plain))
    mean_ms = {name: ns / len(inputs) / 1e6 for name, ns in spent.items()}
    told: dict[str, Any] = {"models": len(boosters), "identical": identical}
    told["booster_ms"] = round(mean_ms["booster"], 4)
    for name, forest in forests.items():
        told[f"{name}_ms"] = None if forest is None else round(mean_ms[name], 4)
        told[f"{name}_times_faster"] = (
            None if forest is None else round(mean_ms["booster"] / mean_ms[name], 2)
        )
    return told
