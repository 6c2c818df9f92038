"""Simple rules every model is judged against."""

from offline.baselines.base import Baseline, Fitted
from offline.baselines.ewma_ecdf import EwmaEcdf, FittedEwmaEcdf
from offline.baselines.garch_t import FittedGarchT, GarchProcess, GarchT
from offline.baselines.har_rv import FittedHarRv, HarRv

__all__ = [
    "Baseline",
    "EwmaEcdf",
    "Fitted",
    "FittedEwmaEcdf",
    "FittedGarchT",
    "FittedHarRv",
    "GarchProcess",
    "GarchT",
    "HarRv",
]
