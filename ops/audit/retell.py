"""Telling again what a worker said: raw entries, recorded swaps and bundles in, every event out.

The engine is the worker's own; what is rebuilt here is the order of things: which lineup answered which
entry, and what was known of the clock.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.model.bundle import Bundle
from contracts.topics import Topics
from ops.audit.swaps import Schedule, Swap
from worker import store
from worker.arrival import Fields, read_entry
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State, Step

NOTHING = State()


@dataclass(frozen=True, slots=True)
class Told:
    """What one entry changed and said, under which lineup; `step.state` is the state after it."""

    entry: str
    lineup: Lineup
    step: Step


def retell(
    entries: Iterable[tuple[str, Fields | None]],
    swaps: Sequence[str],
    bundles: Mapping[str, Bundle],
    topics: Topics,
    start: State = NOTHING,
) -> Iterator[Told]:
    """Walk raw entries of the bars stream in order, each under the lineup that was in force for it.

    `swaps` are the payloads of `worker.swaps` in the order of the stream: each applies to every entry after
    its `after`, and of several with the same `after` the last wins. `bundles` are loaded ones by sha256.
    Whether a bar was closed is judged by the moment in the entry's id, as it was then. An entry whose
    fields are None was trimmed before it was read.

    Raises:
        MissingBundleError: a lineup in force for an entry names a bundle that is not among `bundles`.
        BadInputError: a record of a swap can not be read.
    """
    schedule, state = Schedule.of(swaps), start
    in_force: Swap | None = None
    engine = Engine(Lineup(), topics)
    for entry, fields in entries:
        swap = schedule.at(entry)
        if swap is not None and swap is not in_force:
            in_force, engine = swap, Engine(swap.lineup(bundles), topics)
        step = engine.run(state, [read_entry(entry, fields, math.inf)])
        state = step.state
        yield Told(entry, engine.lineup, step)


@dataclass(slots=True)
class Retold:
    """Everything that was told, collected: payloads by stream, and the bars entry behind each of them."""

    streams: dict[str, list[bytes]] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    total: Step = field(default_factory=lambda: Step(State()))

    def add(self, told: Told) -> None:
        """Take in what one entry said."""
        for event in told.step.events:
            self.streams.setdefault(event.stream, []).append(event.payload)
            self.sources.setdefault(event.stream, []).append(told.entry)
        self.total = _merged(self.total, told.step)

    @property
    def state(self) -> State:
        """The state after the last entry."""
        return self.total.state

    @property
    def latest(self) -> Mapping[tuple[str, int], bytes]:
        """The newest record by symbol and horizon."""
        return self.total.latest

    @property
    def fields(self) -> dict[str, bytes]:
        """What the state hash holds after the last entry, of all that was ever written."""
        return {name: blob for name, blob in store.fields_of(self.total).items() if blob != store.GONE}


def collect(told: Iterable[Told]) -> Retold:
    """Collect everything; with no entries, nothing."""
    retold = Retold()
    for one in told:
        retold.add(one)
    return retold


def streams_of(told: Iterable[Told]) -> tuple[dict[str, list[bytes]], State]:
    """The payloads by the full name of their stream, each in order, and the final state."""
    retold = collect(told)
    return retold.streams, retold.state


def _merged(total: Step, step: Step) -> Step:
    """The two as one without events: what was touched united, newer records over older ones."""
    united: dict[str, Any] = {
        one.name: getattr(total, one.name) | getattr(step, one.name)
        for one in dataclasses.fields(Step)
        if isinstance(getattr(step, one.name), frozenset | bool)
    }
    latest = {**total.latest, **step.latest}
    return dataclasses.replace(total, state=step.state, latest=latest, **united)
