"""What of a symbol was sent, and what of an answer is to be sent next. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from contracts.model.candle import Candle, violation
from contracts.model.grid import BAR_SECONDS, close_time

KEPT = 6
"""Candles remembered after they were sent, a day of them: exchanges revise within minutes, if at all."""
LOOK_BACK = 3
"""Candles already sent that every question includes, so that a revision is seen."""


@dataclass(frozen=True, slots=True)
class Track:
    """One symbol as far as it was sent. Times are open times in epoch seconds.

    `last` is None before the first bar ever. `recent` are the last candles sent by this process, oldest
    first; `passed` is the newest bar that was given up as missing; `absent` are bars asked for in vain.
    """

    name: str
    last: int | None = None
    recent: tuple[Candle, ...] = ()
    passed: int = 0
    absent: frozenset[int] = frozenset()
    revised: frozenset[Candle] = frozenset()

    def since(self, start: int) -> int:
        """Open time of the first candle to ask for; `start` for a symbol that was never sent."""
        return start if self.last is None else self.last - (LOOK_BACK - 1) * BAR_SECONDS

    def is_due(self, now: float, settle_s: float) -> bool:
        """Whether a bar that was not sent is closed at `now`."""
        return self.last is None or close_time(self.last + BAR_SECONDS) + settle_s <= now

    def sent(self, candle: Candle) -> Track:
        """The track after `candle` was acknowledged."""
        recent = (*self.recent, candle)[-KEPT:]
        absent = frozenset(open_time for open_time in self.absent if open_time > candle.open_time)
        revised = frozenset(kept for kept in self.revised if kept.open_time >= recent[0].open_time)
        return replace(self, last=candle.open_time, recent=recent, absent=absent, revised=revised)


@dataclass(frozen=True, slots=True)
class Sifted:
    """What an answer holds for one symbol, and the track with what was learnt besides.

    `ready` are to be sent, in order; of these `late` were asked for in vain before. `missing` were given up
    now, `revised` found changed now, `refused` are closed but can not be bars, with the reason.
    """

    track: Track
    ready: tuple[Candle, ...] = ()
    late: frozenset[int] = frozenset()
    missing: tuple[int, ...] = ()
    revised: tuple[Candle, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()
    waiting: bool = False
    """Whether the newest closed bar has not come: it is to be asked for again."""


def sift(track: Track, candles: Iterable[Candle], now: float, settle_s: float, grace_s: float) -> Sifted:
    """Judge the candles of an answer to a question asked after the exchange's clock showed `now`.

    Only what closed `settle_s` before `now` counts. A bar that is absent holds back the ones after it until
    `grace_s` after its close; then it is passed over. Nothing at or before the last bar sent is ever ready.

    >>> one = Candle(0, 1.0, 2.0, 0.5, 1.5, 1.0)
    >>> answer = [one, one._replace(open_time=14_400)]
    >>> [candle.open_time for candle in sift(Track("A"), answer, 14_400.0, 0.0, 60.0).ready]
    [0]
    """
    closed = {
        candle.open_time: candle for candle in candles if close_time(candle.open_time) + settle_s <= now
    }
    broken = {open_time: why for open_time, candle in closed.items() if (why := violation(candle))}
    good = {open_time: closed[open_time] for open_time in sorted(closed) if open_time not in broken}
    changed = _revised(track, good)
    last = track.last
    if last is None:
        if not good:
            return Sifted(track, refused=tuple(sorted(broken.items())), waiting=True)
        last = min(good) - BAR_SECONDS
    newest = _newest_closed(now, settle_s)
    ready: list[Candle] = []
    absent: list[int] = []
    for open_time in range(last + BAR_SECONDS, newest + 1, BAR_SECONDS):
        if open_time in good:
            ready.append(good[open_time])
            continue
        absent.append(open_time)
        if close_time(open_time) + grace_s > now:
            break
    missing = tuple(t for t in absent if close_time(t) + grace_s <= now and t > track.passed)
    learnt = replace(
        track,
        passed=max((track.passed, *missing)),
        absent=track.absent | frozenset(absent),
        revised=track.revised | frozenset(changed),
    )
    return Sifted(
        learnt,
        ready=tuple(ready),
        late=track.absent & {candle.open_time for candle in ready},
        missing=missing,
        revised=changed,
        refused=tuple((t, why) for t, why in sorted(broken.items()) if t > last),
        waiting=bool(absent) and absent[-1] > (ready[-1].open_time if ready else last),
    )


def _revised(track: Track, good: dict[int, Candle]) -> tuple[Candle, ...]:
    return tuple(
        good[kept.open_time]
        for kept in track.recent
        if good.get(kept.open_time, kept) != kept and good[kept.open_time] not in track.revised
    )


def _newest_closed(now: float, settle_s: float) -> int:
    return int(now - settle_s) // BAR_SECONDS * BAR_SECONDS - BAR_SECONDS
