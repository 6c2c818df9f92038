"""How good the published bands have been lately: a window over the outcomes, by symbol and horizon.

The outcomes streams are the record, so the window is read from them at a start and costs no state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from contracts.events import Outcome
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES, LEVELS

WINDOW_BARS = 540
"""Bars whose outcomes count, 90 days: some 13 independent ones at T = 42, fewer at longer horizons."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the resolved outcomes of one symbol and horizon within the window say.

    `effective` is the number of independent ones, at most one per horizon's length; `below` the share of
    outcomes at or below each quantile, by level name, which a calibrated band keeps at the level.
    """

    resolved: int
    effective: float
    coverage_90: float
    coverage_50: float
    winkler_90: float
    pinball: float
    below: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "resolved": self.resolved,
            "effective": self.effective,
            "coverage_90": self.coverage_90,
            "coverage_50": self.coverage_50,
            "winkler_90": self.winkler_90,
            "pinball": self.pinball,
            "below": self.below,
        }


@dataclass(slots=True)
class Scoreboard:
    """Outcomes of the last `window_bars` by symbol and horizon; the newest target time ends the window."""

    window_bars: int = WINDOW_BARS
    _kept: dict[tuple[str, int], deque[Outcome]] = field(default_factory=dict)
    _news: set[tuple[str, int]] = field(default_factory=set)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take outcomes in the order of their streams; unresolved ones score nothing."""
        for one in outcomes:
            if one.status != "resolved":
                continue
            kept = self._kept.setdefault((one.symbol, one.horizon_bars), deque())
            kept.append(one)
            self._news.add((one.symbol, one.horizon_bars))
            oldest = one.target_time.timestamp() - self.window_bars * BAR_SECONDS
            while kept[0].target_time.timestamp() <= oldest:
                kept.popleft()

    def standings(self) -> Iterator[tuple[str, int, Standing]]:
        """Symbol, horizon and standing of every pair with an outcome, in order."""
        for (symbol, horizon), kept in sorted(self._kept.items()):
            yield symbol, horizon, _standing(horizon, kept)

    def news(self) -> Iterator[tuple[str, int, Standing]]:
        """The standings that have changed since this was last asked."""
        news, self._news = self._news, set()
        for symbol, horizon in sorted(news):
            yield symbol, horizon, _standing(horizon, self._kept[symbol, horizon])


def _standing(horizon: int, kept: deque[Outcome]) -> Standing:
    def mean(values: Iterable[float | None]) -> float:
        return sum(float(value or 0.0) for value in values) / len(kept)

    return Standing(
        len(kept),
        round(len(kept) / horizon, 1),
        mean(one.hit_90 for one in kept),
        mean(one.hit_50 for one in kept),
        mean(one.winkler_90 for one in kept),
        mean(one.pinball for one in kept),
        {
            name: mean(float((one.pit or 0.0) <= level) for one in kept)
            for name, level in zip(LEVEL_NAMES, LEVELS, strict=True)
        },
    )
