"""History from an exchange into a file, page by page; stopped at any moment, it goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.model.candle import Candle, History, violation
from contracts.model.grid import BAR_SECONDS, iso
from offline.ingest import OnBad, read_bars, write_bars
from ops.feed.exchange import Exchange
from ops.feed.history import pages
from ops.feed.names import Instrument

Progress = Callable[[str, int, int], None]

SAVE_EVERY = 10
"""Pages between two saves: at 500 bars each, what a kill can cost."""


class Download:
    """The history of one market of one exchange, kept in a file of its own beside what it was asked for.

    `folder` holds `EXCHANGE_NAME_4h.parquet` and, beside it, the time from which it was asked for.
    """

    def __init__(self, folder: Path, exchange: str, one: Instrument) -> None:
        self.file = folder / f"{exchange}_{one.name.replace('_', '-')}_4h.parquet"
        self._told = self.file.with_suffix(".json")
        self._exchange = exchange
        self._one = one
        self.refused: list[tuple[int, str]] = []
        """Candles that can not be bars, by open time, with the reason."""
        self._candles: list[Candle] = []

    def __len__(self) -> int:
        return len(self._candles)

    async def run(
        self, source: Exchange, since: int, until: int | None, on_bad: OnBad, progress: Progress
    ) -> int:
        """Download what closes after `since` and by `until` (epoch seconds) and is not in the file yet.

        Only closed candles; the one in progress is left out. Returns how many bars were here before.

        Raises:
            ExchangeError: the exchange does not answer; what came before is kept.
            BadInputError: a candle can not be a bar and `on_bad` is "raise"; what came before is kept.
        """
        first = -(-since // BAR_SECONDS) * BAR_SECONDS
        begin = self._resume(first)
        before = len(self._candles)
        now = await source.now()
        end = now if until is None else min(now, float(until))
        unsaved = 0
        total = max(1, int(end - first) // BAR_SECONDS)
        try:
            async for page in pages(source, self._one.market, begin, end):
                is_whole = self._take(page, on_bad)
                unsaved += 1
                progress(self._one.name, (page[-1].open_time - first) // BAR_SECONDS + 1, total)
                if not is_whole:
                    break
                if unsaved == SAVE_EVERY:
                    self._save(first)
                    unsaved = 0
        finally:
            # An interruption comes as an exception too; what has come is kept whatever it is.
            if unsaved:
                self._save(first)
        if self.refused and on_bad == "raise":
            open_time, why = self.refused[0]
            raise BadInputError(
                f"{self._exchange} {self._one.market}: {why}, in the candle of {iso(open_time)}; "
                "ask again later, or leave such candles out with --on-bad drop"
            )
        progress(self._one.name, total, total)
        return before

    def _resume(self, first: int) -> int:
        """Load what is here; the open time to go on from. Asked for an earlier time, begin anew."""
        self._candles = []
        try:
            told = json.loads(self._told.read_bytes())
            same = told["market"] == self._one.market and told["since"] <= first
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return first
        if not same or not self.file.is_file():
            return first
        self._candles = read_bars(self.file, self._one.name).history.candles()
        return max(first, self._candles[-1].open_time + BAR_SECONDS) if self._candles else first

    def _take(self, page: list[Candle], on_bad: OnBad) -> bool:
        """Keep the candles that can be bars; False at the first that can not, where none may be left out."""
        for candle in page:
            why = violation(candle)
            if why is None:
                self._candles.append(candle)
                continue
            self.refused.append((candle.open_time, why))
            if on_bad == "raise":
                return False
        return True

    def _save(self, since: int) -> None:
        if not self._candles:
            return
        columns = [np.array(column) for column in zip(*self._candles, strict=True)]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        # Without its time a file is downloaded anew: so the file comes first, and a new time after it.
        earlier = self._earlier(since)
        if earlier is None:
            self._told.unlink(missing_ok=True)
        write_bars(History(self._one.name, columns[0].astype(np.int64), *columns[1:]), self.file)
        told = {"exchange": self._exchange, "market": self._one.market, "since": earlier or since}
        write_atomic(self._told, json.dumps(told).encode() + b"\n")

    def _earlier(self, since: int) -> int | None:
        try:
            told = json.loads(self._told.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return int(told["since"]) if told.get("since", since + 1) <= since else None
