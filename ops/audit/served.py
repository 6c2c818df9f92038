"""Everything one partition kept of what it did, read as of one moment while it may go on working."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.connect import transaction
from contracts.errors import UnavailableError
from contracts.events import DeadLetter
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from ops.audit.swaps import order
from ops.release.connect import streams as connect
from ops.settings import Settings
from worker.arrival import Fields

PAGE = 2_000

Bar = tuple[str, int]
"""A bar by name: its symbol and when it opened, epoch seconds."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One output stream: the `data` of its entries with their ids, and how many were ever added."""

    entries: tuple[tuple[str, bytes], ...] = ()
    added: int = 0

    @property
    def is_whole(self) -> bool:
        """True when nothing of it was ever trimmed or deleted."""
        return self.added == len(self.entries)

    @property
    def payloads(self) -> list[bytes]:
        """The payloads alone, in order."""
        return [payload for _, payload in self.entries]


@dataclass(frozen=True, slots=True)
class Served:
    """A partition as of one commit: bars in effect, swaps, outputs, state and the newest records.

    `bars` are the retained entries up to `cursor`, those that were trimmed before they were read with
    their fields None; `bars_gone` counts the entries that were deleted or trimmed after they were read.
    """

    topics: Topics
    cursor: str
    bars: tuple[tuple[str, Fields | None], ...]
    bars_gone: int
    swaps: tuple[str, ...]
    outputs: Mapping[str, Kept]
    state: Mapping[str, bytes]
    latest: Mapping[tuple[str, int], bytes]

    @property
    def records(self) -> tuple[Bar, ...]:
        """The bars that have a record on the first band stream, in its order."""
        payloads = self.outputs[self.topics.bands(HORIZONS[0])].payloads
        return tuple(bar for payload in payloads if (bar := bar_of(payload)) is not None)


def bar_of(payload: bytes) -> Bar | None:
    """The bar a band record is about; None of a record that was altered beyond reading."""
    try:
        told = json.loads(payload)
        return str(told["symbol"]), int(datetime.fromisoformat(told["open_time"]).timestamp())
    except (ValueError, KeyError, TypeError):
        return None


def letter_of(payload: bytes) -> DeadLetter | None:
    """A dead letter; None of one that was altered beyond reading."""
    try:
        return DeadLetter.from_wire(payload)
    except ValueError:
        return None


@contextmanager
def client_of(settings: Settings) -> Iterator[Any]:
    """A client of the server the settings name, or of the workspace's own.

    Raises:
        UnavailableError: neither is there.
    """
    if settings.redis.url is None and not settings.server_path.is_dir():
        raise UnavailableError(
            f"expected a server by --redis-url or one in {settings.server_path}, found neither; serve bands "
            "first, with `bands worker` or `bands demo`"
        )
    with connect(settings) as client:
        client.ping()
        yield client


def output_names(topics: Topics) -> tuple[str, ...]:
    """Every stream that the worker alone writes, and the retrain requests, which it shares."""
    by_horizon = (topics.bands, topics.outcomes, topics.shadow)
    return (*(name(h) for name in by_horizon for h in HORIZONS), topics.dead, topics.drift, topics.retrain)


def read_served(client: Any, topics: Topics, outputs: Sequence[str] | None = None) -> Served:
    """Read one partition: what is in effect at one moment, whatever is committed meanwhile.

    `outputs` are the output streams wanted, `topics.dead` among them; None reads all.

    Raises:
        redis.RedisError: the server can not be reached.
    """
    names = (topics.bars, topics.swaps, *(output_names(topics) if outputs is None else outputs))
    symbols = sorted(name.decode() for name in client.hkeys(topics.state) if not name.startswith(b"_"))
    with transaction(client, topics.cursor) as pipe:
        pipe.hgetall(topics.cursor)
        pipe.hgetall(topics.state)
        for symbol in symbols:
            pipe.hgetall(topics.latest(symbol))
        for name in names:
            pipe.xinfo_stream(name)
        cursor, state, *rest = pipe.execute(raise_on_error=False)
    latest, infos = rest[: len(symbols)], dict(zip(names, rest[len(symbols) :], strict=True))
    at = cursor.get(b"entry", b"").decode()
    kept = {name: _read(client, name, info) for name, info in infos.items() if name != topics.bars}
    bars: list[tuple[str, Fields | None]] = list(_pages(client, topics.bars, at)) if at else []
    letters = [one for payload in kept[topics.dead].payloads if (one := letter_of(payload)) is not None]
    there = {entry for entry, _ in bars}
    gone = {one.entry for one in letters if one.reason == "trimmed"} - there
    bars += [(entry, None) for entry in gone if order(entry) <= order(at)]
    return Served(
        topics,
        at,
        tuple(sorted(bars, key=lambda one: order(one[0]))),
        max(0, _lost(infos[topics.bars]) - len(gone)),
        tuple(payload.decode() for payload in kept.pop(topics.swaps).payloads),
        kept,
        {name.decode(): blob for name, blob in state.items()},
        {
            (symbol, int(name.decode().removeprefix("T"))): payload
            for symbol, fields in zip(symbols, latest, strict=True)
            for name, payload in fields.items()
        },
    )


def _lost(info: Any) -> int:
    return 0 if isinstance(info, Exception) else int(info["entries-added"]) - int(info["length"])


def _read(client: Any, name: str, info: Any) -> Kept:
    if isinstance(info, Exception):  # no such stream yet
        return Kept()
    if not info["length"]:
        return Kept((), int(info["entries-added"]))
    newest = info["last-entry"][0].decode()
    rows = _pages(client, name, newest)
    return Kept(
        tuple((entry, fields.get(b"data", b"")) for entry, fields in rows), int(info["entries-added"])
    )


def _pages(client: Any, name: str, until: str) -> Iterator[tuple[str, Fields]]:
    after = "-"
    while page := client.xrange(name, min=after, max=until, count=PAGE):
        yield from ((entry.decode(), fields) for entry, fields in page)
        after = f"({page[-1][0].decode()}"
