"""One horizon of a bundle as an MLflow model: features and σ in, calibrated return quantiles out.

MLflow runs this file as the model ("models from code"): no pickle, and nothing but contracts is needed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from contracts.model.bundle import load_bundle
from contracts.model.grid import LEVEL_NAMES


class HorizonModel(PythonModel):
    """Input columns: the features of the bundle's spec, and `sigma`. Output: q05 … q95, log returns."""

    def load_context(self, context: Any) -> None:
        """Verify and load the bundle among the model's artifacts."""
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))
        self._horizon = int(context.model_config["horizon_bars"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Calibrated quantiles of the log return over the horizon, one row per input row."""
        bundle = self._bundle
        heads = bundle.predictor.heads
        index = next(i for i, head in enumerate(heads) if head.horizon_bars == self._horizon)
        rows = model_input[list(bundle.spec.names)].to_numpy(dtype=np.float64)
        learned = bundle.predictor.learned(rows)[:, index]
        standardised = heads[index].calibrator.interval(heads[index].standardised(learned))
        unit = model_input["sigma"].to_numpy(dtype=np.float64) * math.sqrt(self._horizon)
        return pd.DataFrame(standardised * unit[:, None], columns=list(LEVEL_NAMES), index=model_input.index)


set_model(HorizonModel())
