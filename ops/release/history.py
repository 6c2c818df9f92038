"""The stream `releases`, and the note of a change that is under way.

A change is noted, made in the registry, then finished: one script writes its entry and removes the note. Cut
off anywhere, the note is still there and the next release command completes it; once the note is gone the
entry is written, so it is neither lost nor doubled.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from pydantic import ValidationError

from contracts.errors import BadInputError
from contracts.events import Release
from contracts.topics import RELEASES
from ops.release.change import Change

PENDING = "{releases}.pending"
"""Holds the note; its hash tag puts it beside the stream on a cluster."""
LATEST = 5
SCRIPT = files("ops.release").joinpath("finish.lua").read_text()


class History:
    """The notes and entries behind a synchronous Redis client without decoding."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def pending(self) -> Change | None:
        """The change under way or cut off, if there is one.

        Raises:
            BadInputError: what is there is not a change.
        """
        note = self._client.get(PENDING)
        if note is None:
            return None
        try:
            return Change.model_validate_json(note)
        except ValidationError as error:
            raise BadInputError(
                f"expected the note of a release in the key {PENDING}, found {note[:80]!r}; look at the "
                "registry's aliases, then delete the key"
            ) from error

    def begin(self, change: Change) -> bool:
        """Note a change; False when another one is under way."""
        note = change.model_dump_json(exclude_none=False)
        if self._client.set(PENDING, note, nx=True):
            return True
        found = self.pending()
        return found is not None and found.id == change.id

    def finish(self, change: Change) -> bool:
        """Write the entry of a noted change and remove its note; False when that was done before."""
        return bool(self._finish(change, change.release.to_wire()))

    def drop(self, change: Change) -> None:
        """Remove the note of a change that can not be made, without an entry."""
        self._finish(change, b"")

    def _finish(self, change: Change, entry: bytes) -> Any:
        return self._client.eval(SCRIPT, 2, PENDING, RELEASES, change.id, entry)

    def latest(self, count: int = LATEST) -> list[tuple[str, Release]]:
        """The newest entries with their ids, newest first; unreadable ones are passed over."""
        found = []
        for entry, told in self._client.xrevrange(RELEASES, count=count):
            try:
                found.append((entry.decode(), Release.from_wire(told.get(b"data", b""))))
            except ValidationError:
                continue
        return found


def last_releases(client: Any, count: int = LATEST) -> list[Release]:
    """The newest entries of `releases`, newest first, for whoever shows them.

    `client` is a synchronous Redis client without decoding.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    return [release for _, release in History(client).latest(count)]
