"""The bars a stream has let go of, taken from files: as entries, in the order in which they were answered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contracts.errors import BadInputError
from contracts.events import Band
from contracts.events import Bar as BarEvent
from contracts.model.bundle import Bundle
from contracts.model.candle import Candle, History
from contracts.model.grid import HORIZONS, close_time, iso
from contracts.topics import partition_of
from ops.audit.bundles import load_needed
from ops.audit.served import Bar, Served
from ops.audit.swaps import Schedule, order
from worker.arrival import Fields, read_entry

Entries = list[tuple[str, Fields | None]]


class BeginningGoneError(BadInputError):
    """Bars the worker began with are neither in the stream nor in files: nothing can be recomputed."""


def whole_history(
    served: Served, folders: Mapping[str, Path], histories: Sequence[History]
) -> tuple[Entries, dict[str, Bundle]]:
    """Every entry since the worker began, from files where the stream has let go, and the bundles it needs.

    Raises:
        BeginningGoneError: bars it began with are neither in the stream nor in `histories`.
        MissingBundleError: a bundle that answered is not among `folders` (by sha256).
        BundleError: a folder does not verify.
    """
    schedule = Schedule.of(served.swaps)
    bundles = load_needed(schedule.needed(entry for entry, _ in served.bars), folders)
    if not beginning_is_gone(served):
        return list(served.bars), bundles
    first = load_needed(schedule.needed([_first_after(schedule)]), folders)
    older = older_entries(served, histories, first, schedule)
    more = schedule.needed(entry for entry, _ in older)
    bundles |= load_needed({sha: label for sha, label in more.items() if sha not in bundles}, folders)
    return [*older, *served.bars], bundles


def beginning_is_gone(served: Served) -> bool:
    """True when the stream no longer holds the bars the worker began with."""
    if not served.bars_gone or not served.cursor:
        return False
    retained, records = _retained(served), served.records
    whole = served.outputs[served.topics.bands(HORIZONS[0])].is_whole
    return not whole or (bool(records) and retained[:1] != [records[0]])


def older_entries(
    served: Served, histories: Sequence[History], bundles: Mapping[str, Bundle], schedule: Schedule
) -> Entries:
    """Entries for the bars before the first retained one, from files.

    Their ids tell the time of their close, by which recorded swaps find their place. The band records,
    where all are kept, say which bars were answered, in what order and with what origin; else they are the
    bars since the first bundle's training, in the order of their close.

    Raises:
        BeginningGoneError: a bar that was answered is neither in the stream nor in the files.
    """
    if not histories:
        raise BeginningGoneError(_sentence(served, []))
    retained = _retained(served)
    candles = {h.symbol: {candle.open_time: candle for candle in h.candles()} for h in histories}
    stream = served.outputs[served.topics.bands(HORIZONS[0])]
    if stream.is_whole:
        answered = _before(list(map(Band.from_wire, stream.payloads)), retained)
        origins = {(one.symbol, int(one.open_time.timestamp())): str(one.origin) for one in answered}
        due = list(origins)
    else:
        origins, due = {}, _since_training(served, candles, set(retained), bundles, schedule)
    if absent := [bar for bar in due if bar[1] not in candles.get(bar[0], {})]:
        raise BeginningGoneError(_sentence(served, absent))
    bars: list[tuple[str, int, str, str | None]] = [(s, t, origins.get((s, t), "live"), None) for s, t in due]
    if copies := list(_context(served, candles, schedule, due)):
        bars = sorted([*copies, *bars], key=lambda bar: bar[1])
    return [
        (
            f"{close_time(opened) * 1_000}-{number}",
            {b"data": _wire(symbol, candles[symbol][opened], origin, role)},
        )
        for number, (symbol, opened, origin, role) in enumerate(bars, 1)
    ]


def _sentence(served: Served, absent: Sequence[Bar]) -> str:
    retained = _retained(served)
    first = f"{retained[0][0]} {iso(retained[0][1])}" if retained else "none"
    entry = served.bars[0][0] if served.bars else "none"
    lacking = ""
    if absent:
        symbol, opened = absent[0]
        lacking = f" (of {len(absent)} older ones the files lack, the first is {symbol} {iso(opened)})"
    return (
        f"expected every bar since the worker began, found that {served.topics.bars} begins at {entry}, "
        f"the bar {first}: {served.bars_gone} entries before it were trimmed{lacking}. Folds remember what "
        "came before, so nothing served from there on can be recomputed bit for bit. Give the older bars "
        "with --bars (the archive in <workspace>/retrain/bars, or the files of the feed); to need none, keep "
        "bars for longer than audits are apart: raise stream.bars_retention_days, by default 30"
    )


def _retained(served: Served) -> list[Bar]:
    found = []
    for entry, fields in served.bars:
        content = read_entry(entry, fields, math.inf).content
        if isinstance(content, BarEvent) and content.role is None:
            found.append((content.symbol, content.candle.open_time))
    return found


def _before(records: list[Band], retained: Sequence[Bar]) -> list[Band]:
    """The records of bars before the retained ones: matched from the newest backwards, for a bar that was
    sent again later does not stand for the one that was answered."""
    left = len(retained)
    for number in range(len(records) - 1, -1, -1):
        bar = (records[number].symbol, int(records[number].open_time.timestamp()))
        while left and retained[left - 1] != bar:
            left -= 1
        if not left:
            return records[: number + 1]
        left -= 1
    return []


def _since_training(
    served: Served,
    candles: Mapping[str, Mapping[int, Candle]],
    there: set[Bar],
    bundles: Mapping[str, Bundle],
    schedule: Schedule,
) -> list[Bar]:
    if not schedule.swaps:
        raise BeginningGoneError(_sentence(served, []))
    first = [bundles[sha] for sha, _, _ in schedule.swaps[0].bundles if sha in bundles]
    ends = {s: fold.last_open_time or 0 for one in reversed(first) for s, fold in one.states.items()}
    topics = served.topics
    oldest = {symbol: min(t for s, t in there if s == symbol) for symbol in {s for s, _ in there}}
    due = [
        (symbol, opened)
        for symbol, known in candles.items()
        if symbol in ends and partition_of(symbol, topics.partitions) == topics.partition
        for opened in known
        if ends[symbol] < opened < oldest.get(symbol, math.inf)
    ]
    return sorted(due, key=lambda bar: (bar[1], bar[0]))


def _first_after(schedule: Schedule) -> str:
    """An entry that the first swap is in force for."""
    if not schedule.swaps:
        return ""
    ms, seq = order(schedule.swaps[0].after)
    return f"{ms}-{seq + 1}"


def _context(
    served: Served, candles: Mapping[str, Mapping[int, Candle]], schedule: Schedule, due: Sequence[Bar]
) -> Iterator[tuple[str, int, str, str | None]]:
    """The leader's copies, where its own partition is another one."""
    topics = served.topics
    leaders = {leader for swap in schedule.swaps for _, _, leader in swap.bundles if leader is not None}
    if not due:
        return
    begin, end = min(t for _, t in due), max(t for _, t in due)
    for leader in sorted(leaders):
        if partition_of(leader, topics.partitions) != topics.partition:
            for opened in candles.get(leader, {}):
                if begin <= opened <= end:
                    yield leader, opened, "live", "context"


def _wire(symbol: str, candle: Candle, origin: str, role: str | None) -> bytes:
    told = {"symbol": symbol, **candle._asdict(), "origin": origin, "role": role}
    return BarEvent.model_validate(told).to_wire()
