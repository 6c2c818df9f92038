"""How good a band was, and how sure of that one may be."""

from contracts.model.quantiles import crossing_rate
from contracts.model.scores import absolute_error, calibration_error, hits, pinball, pit, width, winkler
from offline.metrics.bootstrap import (
    Estimate,
    bootstrap_mean,
    bootstrap_pooled,
    bootstrap_ratio,
    effective_sample_size,
)
from offline.metrics.correlation import Correlation, information_coefficient

__all__ = [
    "Correlation",
    "Estimate",
    "absolute_error",
    "bootstrap_mean",
    "bootstrap_pooled",
    "bootstrap_ratio",
    "calibration_error",
    "crossing_rate",
    "effective_sample_size",
    "hits",
    "information_coefficient",
    "pinball",
    "pit",
    "width",
    "winkler",
]
