"""A finding: what drifted, how far, and why a person should believe it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from contracts.events import DriftAlert
from contracts.model.drift import Channel


@dataclass(frozen=True, slots=True)
class Finding:
    """One report of one channel; all horizons of the channel are then quiet for a while."""

    channel: Channel
    horizon_bars: int | None
    detector: str
    at: int
    """Epoch seconds UTC of the bar that showed it."""
    statistic: float
    threshold: float
    evidence: str

    @property
    def asks_retrain(self) -> bool:
        """True where a new fit is the remedy: the band's width and its coverage.

        Features, loss and PIT alone warn: they move without the bands being wrong.
        """
        return self.channel in {"width", "coverage"}

    @property
    def severity(self) -> Literal["warning", "alarm"]:
        """An alarm is what asks for something to be done."""
        return "alarm" if self.asks_retrain else "warning"

    def to_alert(self, symbol: str, bundle: str) -> DriftAlert:
        """The message for `alerts.drift`; `bundle` is the label of the bundle that was watched."""
        return DriftAlert(
            symbol=symbol,
            horizon_bars=self.horizon_bars,
            at=datetime.fromtimestamp(self.at, UTC),
            detector=self.detector,
            channel=self.channel,
            severity=self.severity,
            statistic=self.statistic,
            threshold=self.threshold,
            evidence=self.evidence,
            bundle=bundle,
        )
