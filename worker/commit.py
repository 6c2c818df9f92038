"""The atomic commit: the script, its arguments and its five answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis

from contracts.topics import GROUP, Topics
from worker.step import Event


class Answer(Enum):
    """What the commit script says. Only OK has written anything; DUP has acknowledged."""

    OK = "OK"
    DUP = "DUP"
    """The run's last entry is not newer than the cursor: someone committed it already."""
    STALE = "STALE"
    """The cursor is not the one this step was computed from, or the server has not handed out the run (it
    forgot that in a power loss): reload the state and take what is pending."""
    GAP = "GAP"
    """An entry before or inside the run is still pending: drain the pending list in order first."""
    FENCED = "FENCED"
    """The lease is absent or another owner's: stop."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many entries output streams keep at least."""

    output_maxlen: int = 50_000
    dead_maxlen: int = 10_000


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything one commit writes.

    `entries` are the ids of the run in order, `expected` the cursor the step was computed from (empty
    for none), `expected_bundle` the record of the bundle it was computed with (empty for any), `bundle`
    the record of a lineup swap (empty for none), `fields` the state to write (empty bytes remove a field).
    """

    entries: Sequence[str]
    expected: str
    expected_bundle: str = ""
    events: Sequence[Event] = ()
    fields: Mapping[str, bytes] = field(default_factory=dict)
    latest: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    bundle: str = ""


class Committer:
    """Runs the commit script for one partition under one lease token."""

    def __init__(self, redis: Redis, topics: Topics, retention: Retention | None = None) -> None:
        self._topics = topics
        self._retention = retention or Retention()
        self._script = redis.register_script(files("worker").joinpath("commit.lua").read_text())

    async def commit(self, commit: Commit, token: str) -> tuple[Answer, str]:
        """Do everything or nothing; the second value is the id the answer is about.

        Safe to send again when the reply was lost: the second attempt answers DUP.

        Raises:
            redis.RedisError: the server refused or could not be reached; nothing was written, or, when
                the connection broke, everything may have been.
        """
        keys, arguments = self._arguments(commit, token)
        answer, detail = await self._script(keys=keys, args=arguments)
        return Answer(answer.decode()), detail.decode()

    def _arguments(self, commit: Commit, token: str) -> tuple[list[str], list[Any]]:
        topics = self._topics
        streams = list(dict.fromkeys(event.stream for event in commit.events))
        symbols = list(dict.fromkeys(symbol for symbol, _ in commit.latest))
        keys = [topics.lease, topics.cursor, topics.state, topics.bars, *streams]
        keys += [topics.latest(symbol) for symbol in symbols]
        cursor = commit.entries[-1] if commit.entries else ""
        arguments: list[Any] = [token, GROUP, commit.expected, commit.expected_bundle, cursor, commit.bundle]
        arguments += [len(commit.entries), *commit.entries]
        lengths = [
            self._retention.dead_maxlen if stream == topics.dead else self._retention.output_maxlen
            for stream in streams
        ]
        arguments += [len(streams), *lengths]
        arguments.append(len(commit.events))
        for event in commit.events:
            arguments += [streams.index(event.stream) + 1, event.payload]
        arguments.append(len(commit.fields))
        for name, blob in commit.fields.items():
            arguments += [name, blob]
        arguments.append(len(commit.latest))
        for (symbol, horizon), payload in commit.latest.items():
            arguments += [symbols.index(symbol) + 1, f"T{horizon}", payload]
        return keys, arguments
