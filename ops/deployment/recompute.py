"""A band computed again from the state on the server: what the bundle says of the newest bar."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from contracts.connect import transaction
from contracts.events import Band
from contracts.model.bundle import Bundle
from contracts.model.context import LeaderTrack
from contracts.model.grid import HORIZONS
from contracts.model.predictor import Prediction
from contracts.topics import Topics
from worker.book import Book
from worker.step import State
from worker.store import state_of


@dataclass(frozen=True, slots=True)
class Moment:
    """One partition at one moment: state, cursor, swap record, newest records by symbol.

    `broken` tells what is there and can not be read, by symbol and field.
    """

    topics: Topics
    state: State
    cursor: str
    swap: Mapping[str, Any]
    latest: Mapping[str, Mapping[int, Band]]
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def newest_open(self) -> int | None:
        """When the newest bar in effect opened, epoch seconds."""
        opened = [fold.last_open_time for fold in self.state.symbols.values()]
        return max((at for at in opened if at is not None), default=None)


def read_moment(client: Any, topics: Topics, symbols: tuple[str, ...]) -> Moment:
    """Read one partition in one transaction, `latest` of `symbols` too.

    Raises:
        SnapshotError: the state is not of this release.
    """
    with transaction(client, topics.cursor) as pipe:
        pipe.hgetall(topics.cursor)
        pipe.hgetall(topics.state)
        for symbol in symbols:
            pipe.hgetall(topics.latest(symbol))
        cursor, fields, *newest = pipe.execute()
    latest: dict[str, dict[int, Band]] = {}
    broken = {}
    for symbol, told in zip(symbols, newest, strict=True):
        latest[symbol] = {}
        for horizon in HORIZONS:
            payload = told.get(f"T{horizon}".encode())
            if payload is None:
                continue
            try:
                latest[symbol][horizon] = Band.from_wire(payload)
            except ValidationError as error:
                broken[f"{symbol} T{horizon}"] = str(error.errors(include_url=False)[0]["msg"])
    state = state_of({name.decode(): blob for name, blob in fields.items()})
    swap = json.loads(cursor.get(b"bundle", b"{}"))
    return Moment(topics, state, cursor.get(b"entry", b"").decode(), swap, latest, broken)


def predict_now(state: State, bundle: Bundle, symbol: str) -> dict[int, Prediction] | None:
    """The bands of `symbol` after its newest bar in `state`; None while it warms up or lacks its leader.

    Before the first bar of a symbol, those of the moment training stopped.
    """
    kept = state.symbols.get(symbol)
    fold = kept if kept is not None else bundle.states.get(symbol)
    if fold is None or symbol not in bundle.symbols or fold.last_open_time is None:
        return None
    row = fold.features.row()
    if row is None:
        return None
    context = None
    if (leader := bundle.spec.leader) is not None:
        tracks = (state.leaders.get(leader, LeaderTrack.empty()), bundle.leader)
        context = max(tracks, key=lambda track: track.last_open_time).before(fold.last_open_time)
        if context is None:
            return None
    book = state.books.get((bundle.sha256, symbol)) or Book.start(bundle, symbol)
    return bundle.predict(symbol, row, context, book.calibrators)
