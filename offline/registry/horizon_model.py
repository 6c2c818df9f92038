"""One horizon of a bundle as an MLflow model: features and σ in, calibrated return quantiles out.

MLflow runs this file as the model ("models from code"): no pickle, and nothing but contracts is needed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel
from numpy.typing import NDArray

from contracts.model.bundle import load_bundle
from contracts.model.calibrator import BandContext
from contracts.model.grid import LEVEL_NAMES


class HorizonModel(PythonModel):
    """Input columns: `symbol`, the features of the bundle's spec, `sigma` and `volatility_ratio`.

    Output: q05 … q95, log returns; None where calibration gives no finite band, as a worker then issues
    none. Calibration stands where it stood when the bundle was trained: only a worker goes on learning.
    """

    def load_context(self, context: Any) -> None:
        """Verify and load the bundle among the model's artifacts."""
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))
        self._horizon = int(context.model_config["horizon_bars"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
        """Calibrated quantiles of the log return over the horizon, one row per input row.

        Raises:
            MlflowException: a symbol the bundle does not serve, or a number out of range; a server answers
                400 with its sentence.
        """
        bundle = self._bundle
        symbols = model_input["symbol"].to_numpy()
        if unknown := sorted(set(symbols) - set(bundle.symbols)):
            raise _refusal(f"expected symbols among {', '.join(bundle.symbols)}, found {', '.join(unknown)}")
        rows = _finite(model_input, list(bundle.spec.names))
        sigma = _positive(model_input, "sigma")
        ratios = _positive(model_input, "volatility_ratio")
        heads = bundle.predictor.heads
        index = next(i for i, head in enumerate(heads) if head.horizon_bars == self._horizon)
        corrections = bundle.predictor.corrections(rows)[:, index]
        standardised = np.empty((len(rows), len(LEVEL_NAMES)))
        for symbol in sorted(set(symbols)):
            mine = symbols == symbol
            contexts = [BandContext(0, ratio) for ratio in ratios[mine].tolist()]
            raw = heads[index].standardised(corrections[mine], symbol)
            standardised[mine] = heads[index].calibrators[symbol].interval(raw, contexts)
        returns = standardised * (sigma * math.sqrt(self._horizon))[:, None]
        told = pd.DataFrame(returns, columns=list(LEVEL_NAMES), index=model_input.index)
        known = np.isfinite(returns).min(axis=1, keepdims=True)
        # JSON has no infinity: a served answer would be no JSON at all.
        return told if known.all() else told.astype(object).where(np.broadcast_to(known, returns.shape), None)


def _finite(frame: pd.DataFrame, columns: list[str]) -> NDArray[np.float64]:
    values = frame[columns].to_numpy(dtype=np.float64)
    if len(wrong := np.argwhere(~np.isfinite(values))):
        row, column = wrong[0]
        found = values[row, column]
        raise _refusal(f"expected finite numbers, found {found} in row {row}, column {columns[column]}")
    return values


def _positive(frame: pd.DataFrame, column: str) -> NDArray[np.float64]:
    values = _finite(frame, [column])[:, 0]
    if len(wrong := np.flatnonzero(values <= 0)):
        raise _refusal(f"expected {column} above 0, found {values[wrong[0]]} in row {wrong[0]}")
    return values


def _refusal(told: str) -> MlflowException:
    # Of any other exception a server tells nothing but a stack trace.
    return MlflowException(told, error_code=INVALID_PARAMETER_VALUE)


set_model(HorizonModel())
