"""A simulated market with a known truth: demos need no data, statistical tests are judged by it."""

from offline.market.simulate import SimulatedMarket, simulate
from offline.market.spec import MarketSpec
from offline.market.truth import true_quantiles

__all__ = ["MarketSpec", "SimulatedMarket", "simulate", "true_quantiles"]
