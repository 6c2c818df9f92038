"""How drift thresholds are calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from contracts.model.drift import Channel

SHARES: Mapping[Channel, float] = MappingProxyType(
    {"width": 0.65, "coverage": 0.13, "loss": 0.05, "pit": 0.07, "features": 0.10}
)
"""Of the budget. Width takes most: it alone can see a break within days, and its delay is steep in its
share, while the label channels take months in any case."""

MARGIN = 0.5
"""Share of the budget that resampled history may use up. A few years of it hold few of the waves of
volatility that the next ones will: fresh simulated markets raise two to three times what blocks of their
own past do."""


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """`budget_per_year` false alarms per symbol, split by `shares`; the rest says how they are simulated.

    Raises:
        ValueError: a budget that is not positive, or shares that do not sum to one.
    """

    budget_per_year: float = 1.0
    shares: Mapping[Channel, float] = field(default_factory=lambda: SHARES)
    replicates: int = 128
    years: int = 4
    seed: int = 7

    def __post_init__(self) -> None:
        if not self.budget_per_year > 0 or self.replicates < 1 or self.years < 1:
            raise ValueError(
                "expected a positive budget, replicates and years, found "
                f"{self.budget_per_year}, {self.replicates} and {self.years}"
            )
        if abs(sum(self.shares.values()) - 1.0) > 1e-9 or min(self.shares.values()) <= 0:
            raise ValueError(f"expected positive shares that sum to one, found {dict(self.shares)}")

    def budget(self, channel: Channel) -> float:
        """False alarms per symbol and year that a channel may raise."""
        return self.budget_per_year * self.shares[channel]

    def target(self, channel: Channel) -> float:
        """Those it may raise on resampled history."""
        return MARGIN * self.budget(channel)
