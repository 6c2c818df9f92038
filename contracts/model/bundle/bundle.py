"""A loaded bundle: everything the worker needs to answer a bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle.manifest import Manifest
from contracts.model.calibrator import BandContext, Calibrator
from contracts.model.context import Context, LeaderTrack
from contracts.model.drift.reference import DriftReference
from contracts.model.features import FeatureRow
from contracts.model.intake import SymbolFold
from contracts.model.predictor import Prediction, Predictor
from contracts.model.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class Bundle:
    """Verified and ready to predict. `sha256` is that of the manifest and so of every byte."""

    manifest: Manifest
    sha256: str
    predictor: Predictor
    states: Mapping[str, SymbolFold]
    leader: LeaderTrack
    reference: DriftReference | None = None
    """What the features looked like in training; `manifest.drift` says how to compare."""

    @property
    def label(self) -> str:
        """Version and short hash, as bands tell it: `0.1.0+3f2a9c0d1b7e`."""
        return f"{self.manifest.version}+{self.sha256[:12]}"

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols it serves."""
        return self.manifest.symbols

    @property
    def spec(self) -> FeatureSpec:
        """The features its models read."""
        return FeatureSpec(leader=self.manifest.features.leader)

    def predict(
        self,
        symbol: str,
        row: FeatureRow,
        context: Context | None,
        calibrators: Mapping[int, Calibrator] | None = None,
    ) -> dict[int, Prediction]:
        """Calibrated bands of every horizon for one symbol's row and, where the spec has one, the leader's.

        `calibrators`, by horizon, are what the bundle's have learnt since; None takes them as they shipped.

        Raises:
            KeyError: the bundle does not serve `symbol`.
            ValueError: a context is missing where the spec names a leader.
        """
        if symbol not in self.symbols:
            raise KeyError(f"expected one of {', '.join(self.symbols)}, found {symbol}")
        issued = BandContext(row.close_time, row.volatility_ratio)
        return self.predictor.predict(symbol, self.inputs(row, context), row.sigma, issued, calibrators)

    def inputs(self, row: FeatureRow, context: Context | None) -> NDArray[np.float64]:
        """What the models read, shape (features,): the symbol's row and, where there is one, the leader's.

        Raises:
            ValueError: a context is missing where the spec names a leader.
        """
        if self.spec.leader is None:
            return row.values
        if context is None:
            raise ValueError(f"expected the context of leader {self.spec.leader}, found none")
        return np.concatenate((row.values, context.values))
