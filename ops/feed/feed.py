"""One look at the exchange after the other: what has closed, what is to be asked for again, what is sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from calendar import timegm
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.model.candle import Candle
from contracts.model.grid import BAR_SECONDS, close_time, iso
from ops.feed.config import FeedConfig
from ops.feed.exchange import Exchange, ExchangeError
from ops.feed.health import Health
from ops.feed.history import pages
from ops.feed.metrics import LATE, MISSING, NEWEST, REFUSED, REVISED, SENT
from ops.feed.names import Instrument
from ops.feed.outbox import BATCH, Outbox, Outgoing, origin_at
from ops.feed.track import Sifted, Track, sift

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
AFTER_GRACE = 20
"""A bar that counts as missing is asked for this many times more rarely."""
SHORTEST_SLEEP_S = 0.02


@dataclass(frozen=True, slots=True)
class _Asking:
    """When a bar that has not come is asked for again (monotonic), and how long the pause was."""

    at: float = 0.0
    pause_s: float = 0.0


class Feed:
    """The bars of some markets of one exchange, brought to the streams. Call `cycle` for ever.

    Start, crash, outage of either side and ordinary service are one and the same cycle: read what was sent,
    ask for everything since, send what has closed.
    """

    def __init__(
        self,
        exchange: Exchange,
        instruments: Sequence[Instrument],
        outbox: Outbox,
        config: FeedConfig,
        health: Health,
    ) -> None:
        self.wake = asyncio.Event()
        """Set to look at the exchange at once."""
        self._exchange = exchange
        self._instruments = instruments
        self._outbox = outbox
        self._config = config
        self._health = health
        self._tracks = {one.name: Track(one.name) for one in instruments}
        self._asking: dict[str, _Asking] = {}
        self._slot = 0
        self._held_since: float | None = None
        health.tracks = self._tracks

    async def cycle(self) -> float:
        """Look once, and send what is due; how long to sleep before the next look, seconds.

        Raises:
            ExchangeError: the exchange does not answer.
            RedisError, OSError: the server does not; nothing is lost, the next cycle goes on.
        """
        began = time.monotonic()
        now = await self._exchange.now()
        self._health.clock_read(now)
        self._health.clock_source = self._exchange.clock_source
        await self._recover(now)
        if (slot := int(now - self._config.settle_s) // BAR_SECONDS) != self._slot:
            self._slot, self._asking = slot, {}
        due = [one for one in self._instruments if self._is_due(one.name, now, began)]
        answers = await asyncio.gather(*(self._ask(one, now) for one in due))
        found = {name: answer for name, answer in answers if isinstance(answer, Sifted)}
        failures = {name: answer for name, answer in answers if isinstance(answer, ExchangeError)}
        self._hold_back(found, failures)
        self._learn(found, now)
        await self._send(found, now)
        if failures:
            raise ExchangeError(f"{', '.join(failures)}: {next(iter(failures.values()))}")
        self._health.live = True
        return self._sleep_s(now, began)

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until `wake`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), seconds)
        self.wake.clear()

    async def _recover(self, now: float) -> None:
        # At every look: a server that failed over and lost its last second says so in no other way.
        await self._owned()
        sent = await self._outbox.recover(now)
        for name, track in self._tracks.items():
            last = _epoch(sent[name]) if name in sent else None
            if track.last != last:
                self._tracks[name] = Track(name, last)

    def _is_due(self, name: str, now: float, monotonic: float) -> bool:
        asking = self._asking.get(name, _Asking())
        return monotonic >= asking.at and self._tracks[name].is_due(now, self._config.settle_s)

    async def _ask(self, one: Instrument, now: float) -> tuple[str, Sifted | ExchangeError]:
        config, track = self._config, self._tracks[one.name]
        since = track.since(int(now - config.backfill_days * 86_400) // BAR_SECONDS * BAR_SECONDS)
        candles: list[Candle] = []
        try:
            async for page in pages(self._exchange, one.market, since, now):
                candles += page
                if len(page) < len(candles):
                    log.info("%s: %d candles, up to %s", one.name, len(candles), iso(page[-1].open_time))
        except ExchangeError as error:
            return one.name, error
        return one.name, sift(track, candles, now, config.settle_s, config.grace_s)

    def _hold_back(self, found: Mapping[str, Sifted], failures: Mapping[str, ExchangeError]) -> None:
        """While catching up, wait for all symbols: context needs the leader's bars near everybody's own.

        For as long as a late candle may take; a market that is gone for good must not stop the others.
        """
        if not failures:
            self._held_since = None
            return
        if max((len(one.ready) for one in found.values()), default=0) <= 1:
            return
        self._held_since = self._held_since or time.monotonic()
        if time.monotonic() - self._held_since < self._config.grace_s:
            raise ExchangeError(f"back-fill waits for {', '.join(failures)}: {next(iter(failures.values()))}")

    def _learn(self, found: Mapping[str, Sifted], now: float) -> None:
        config = self._config
        for name, sifted in found.items():
            self._tracks[name] = sifted.track
            for open_time in sifted.missing:
                MISSING.labels(name).inc()
                log.warning("%s: %s has no bar of %s: passed over", name, config.exchange, iso(open_time))
            for candle in sifted.revised:
                REVISED.labels(name).inc()
                log.warning("%s: the bar of %s was revised after it was sent", name, iso(candle.open_time))
            for open_time, why in sifted.refused:
                REFUSED.labels(name).inc()
                log.warning("%s: the candle of %s is asked for again: %s", name, iso(open_time), why)
            for open_time in sorted(sifted.late):
                LATE.labels(name).inc()
                log.info("%s: the bar of %s came late", name, iso(open_time))
            self._note(name, sifted, now)

    def _note(self, name: str, sifted: Sifted, now: float) -> None:
        if not sifted.waiting:
            self._asking.pop(name, None)
            self._health.notes.pop(name, None)
            return
        gone = sifted.track.passed == self._slot * BAR_SECONDS - BAR_SECONDS
        before = self._asking.get(name, _Asking())
        longest = self._config.poll_s * (AFTER_GRACE if gone else 1)
        pause = min(2 * before.pause_s or min(FIRST_PAUSE_S, self._config.poll_s), longest)
        self._asking[name] = _Asking(time.monotonic() + pause, pause)
        newest = sifted.ready[-1].open_time if sifted.ready else sifted.track.last
        age = "no bar yet" if newest is None else f"{now - close_time(newest):.0f} s since its last bar"
        self._health.notes[name] = f"{'missing' if gone else 'awaited'}: {age}"

    async def _send(self, found: Mapping[str, Sifted], now: float) -> None:
        outgoing = sorted(
            (
                Outgoing(name, candle, origin_at(now, candle.open_time))
                for name, sifted in found.items()
                for candle in sifted.ready
            ),
            key=lambda one: one.order,
        )
        away: dict[str, Exception] = {}
        for start in range(0, len(outgoing), BATCH):
            batch = [one for one in outgoing[start : start + BATCH] if one.name not in away]
            await self._owned()
            away |= await self._outbox.send(batch)
            for one in batch:
                if one.name in away:
                    continue
                self._tracks[one.name] = self._tracks[one.name].sent(one.candle)
                SENT.labels(one.name, one.origin).inc()
                NEWEST.labels(one.name).set(close_time(one.candle.open_time))
        if outgoing:
            log.info("sent %d bars, up to the close of %s", len(outgoing), iso(outgoing[-1].order[0]))
        for error in away.values():
            raise error

    async def _owned(self) -> None:
        """Wait until the lease is ours for certain; losing it to another ends the process elsewhere."""
        while not self._health.owns:
            await asyncio.sleep(SHORTEST_SLEEP_S)

    def _sleep_s(self, now: float, began: float) -> float:
        next_close = (self._slot + 1) * BAR_SECONDS + self._config.settle_s
        wakes = [self._config.poll_s, next_close - now - (time.monotonic() - began)]
        wakes += [asking.at - time.monotonic() for asking in self._asking.values()]
        return max(SHORTEST_SLEEP_S, min(wakes))


def _epoch(text: str) -> int:
    return timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
