"""The exchange's clock: the real one, one that runs fast from a time in the past, or one moved by hand."""

from __future__ import annotations

import time


class MarketClock:
    """Seconds since the epoch as the exchange sees them.

    Without `start` it is this machine's clock. With `start` it begins there and runs `speed` times as fast
    as real time; speed 0 stands still until `set`. It never runs beyond `end`, the end of the market's bars.

    >>> clock = MarketClock(start=1_704_067_200, speed=0)
    >>> clock.now()
    1704067200.0
    >>> clock.set(1_704_081_600)
    >>> clock.now()
    1704081600.0
    """

    def __init__(self, start: float | None = None, speed: float = 1.0, end: float | None = None) -> None:
        if speed < 0:
            raise ValueError(
                f"expected a speed >= 0, found {speed}; an exchange's clock never runs backwards"
            )
        self._start = start
        self._speed = speed
        self._end = end
        self._since = time.monotonic()

    def now(self) -> float:
        """The exchange's time, epoch seconds."""
        if self._start is None:
            now = time.time()
        else:
            now = self._start + (time.monotonic() - self._since) * self._speed
        return now if self._end is None else min(now, self._end)

    def set(self, moment: float) -> None:
        """Move it forward to `moment`, epoch seconds; it goes on from there at its own speed.

        Raises:
            ValueError: `moment` lies behind the clock.
        """
        if moment < (now := self.now()):
            raise ValueError(f"expected a moment at or after {now}, found {moment}")
        self._start, self._since = moment, time.monotonic()

    def wait_s(self, moment: float) -> float:
        """Real seconds until the clock shows `moment`; a short pause when it stands still."""
        left = max(0.0, moment - self.now())
        if self._start is None:
            return left
        return left / self._speed if self._speed else 0.05
