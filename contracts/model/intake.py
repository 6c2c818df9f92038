"""Which bars reach the features, in what order: duplicates, late bars, conflicts and gaps.

Training and serving pass every bar through `SymbolFold.offer`, so both fold the same sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from contracts.model.candle import Candle
from contracts.model.features import BRIDGED, CLOSE, EXTREME, OPEN_TIME, VOLUME, FeatureFold, FeatureRow
from contracts.model.grid import BAR_SECONDS, iso
from contracts.model.spec import RING_BARS, VOLATILITY_WINDOWS, WARM_UP_BARS

DEFAULT_MAX_GAP_BARS = 12
"""Missing bars that are bridged flat; real venue outages reach 7."""

SHORTEST_WINDOW_BARS = min(VOLATILITY_WINDOWS)


class Verdict(Enum):
    """What became of an offered bar."""

    FOLDED = "folded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Offer:
    """The answer to one bar: the fold after it, and its feature row where there is one.

    `restarted` is True when a gap longer than allowed sent the symbol back to warming up.
    """

    verdict: Verdict
    fold: SymbolFold
    row: FeatureRow | None = None
    bridged_bars: int = 0
    restarted: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SymbolFold:
    """One symbol's features with the rules for what may be folded. Immutable: `offer` returns the next.

    >>> first = SymbolFold().offer(Candle(0, 10.0, 11.0, 9.0, 10.5, 3.0))
    >>> first.verdict.value, first.fold.warm_up_left
    ('folded', 360)
    >>> first.fold.offer(Candle(0, 10.0, 11.0, 9.0, 10.5, 3.0)).verdict.value
    'duplicate'
    """

    features: FeatureFold = FeatureFold()  # noqa: RUF009 - never written to: offer copies first

    @property
    def last_open_time(self) -> int | None:
        """Epoch seconds of the newest bar folded, None before the first."""
        return int(self.features.matrix[OPEN_TIME, 0]) if self.features.count else None

    @property
    def warm_up_left(self) -> int:
        """Bars still missing before the first row."""
        return max(0, WARM_UP_BARS - self.features.count)

    @property
    def is_degraded(self) -> bool:
        """True while a bridged bar lies in the shortest feature window."""
        return bool(self.features.matrix[BRIDGED, :SHORTEST_WINDOW_BARS].any())

    @property
    def holds_extreme_bar(self) -> bool:
        """True while a bar of implausible range (`EXTREME_SIGMAS`) lies in the kept ring."""
        return bool(self.features.matrix[EXTREME].any())

    def missing_before(self, open_time: int) -> int:
        """Bars missing between the newest bar folded and one that opens at `open_time`."""
        last = self.last_open_time
        return 0 if last is None else (open_time - last) // BAR_SECONDS - 1

    def offer(self, candle: Candle, max_gap_bars: int = DEFAULT_MAX_GAP_BARS) -> Offer:
        """Fold one valid bar, or say why not.

        A jump of up to `max_gap_bars` missing bars is bridged with flat bars at the last close and no
        volume; a longer one starts the symbol anew.
        """
        missing = self.missing_before(candle.open_time)
        if missing < 0:
            return self._repeated(candle, age=-missing - 1)
        restarted = missing > max_gap_bars
        features = FeatureFold() if restarted else self.features.copy()
        bridged_bars = 0 if restarted else missing
        for gap in range(bridged_bars, 0, -1):
            close = float(self.features.matrix[CLOSE, 0])
            flat = Candle(candle.open_time - gap * BAR_SECONDS, close, close, close, close, 0.0)
            features.update(flat, bridged=True)
        row = features.update(candle)
        return Offer(Verdict.FOLDED, SymbolFold(features), row, bridged_bars, restarted)

    def _repeated(self, candle: Candle, age: int) -> Offer:
        newest = f"the newest bar folded opens at {iso(self.last_open_time or 0)}"
        if age >= min(self.features.count, RING_BARS):
            return Offer(Verdict.LATE, self, detail=f"{newest}; a bar this old can not be compared any more")
        kept = self.features.matrix[: BRIDGED + 1, age].tolist()
        if kept[BRIDGED]:
            return Offer(Verdict.LATE, self, detail=f"{newest}; this bar's place was bridged flat")
        if tuple(kept[: VOLUME + 1]) == tuple(candle):
            return Offer(Verdict.DUPLICATE, self)
        told = Candle(int(kept[0]), *kept[1 : VOLUME + 1])
        return Offer(Verdict.CONFLICT, self, detail=f"expected the bar as first told, {told}, found {candle}")
