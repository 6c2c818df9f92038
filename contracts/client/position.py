"""Where a subscriber stands: per stream the id of the last entry it has handled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from contracts.errors import BadInputError
from contracts.files import write_atomic

Position = Mapping[str, str]
"""Stream name to entry id, as in `{"bands.T42": "1700000000000-0"}`; JSON as it stands."""


_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


class PositionStore(Protocol):
    """Keeps a position between runs. Put yours beside your own results to commit both in one transaction."""

    def load(self) -> Position | None:
        """The position saved last, None when there is none yet."""

    def save(self, position: Position) -> None:
        """Keep `position` durably before returning."""


class FilePosition:
    """A position in a JSON file of its own, at any moment the old or the new one.

    It is saved each time the next record is asked for, which says that the one before is handled: after a
    kill -9 or a power cut nothing is lost, and only the record in hand comes again. `every` trades that for
    speed while catching up: save once in so many records (and whenever the streams are idle). One file is
    one subscriber's.

    >>> import tempfile
    >>> file = FilePosition(Path(tempfile.mkdtemp()) / "position.json")
    >>> file.load() is None
    True
    >>> file.save({"bands.T42": "1700000000000-0"})
    >>> file.load()
    {'bands.T42': '1700000000000-0'}
    """

    def __init__(self, path: Path | str, every: int = 1) -> None:
        if every < 1:
            raise BadInputError(f"expected every to be at least 1 record, found {every}")
        self.path = Path(path)
        self.every = every

    def load(self) -> dict[str, str] | None:
        """The position in the file, None when there is no file.

        Raises:
            BadInputError: the file is not a position.
            OSError: it can not be read.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return checked_position(json.loads(text))
        except ValueError as error:
            raise BadInputError(
                f"expected a subscriber's position in {self.path}, found: {error}; restore the file, or "
                "delete it to begin anew"
            ) from error

    def save(self, position: Position) -> None:
        """Write the position through to the disk.

        Raises:
            OSError: the folder is missing or full; the file is then as it was.
        """
        write_atomic(self.path, json.dumps(dict(position), sort_keys=True).encode())


def checked_position(value: object) -> dict[str, str]:
    """`value` as a position.

    Raises:
        BadInputError: it is not a mapping of stream names to entry ids.
    """
    if not isinstance(value, Mapping):
        raise BadInputError(f"expected a mapping of stream to entry id, found {str(value)[:80]!r}")
    for stream, entry in value.items():
        if not isinstance(stream, str) or not isinstance(entry, str) or not _ID.fullmatch(entry):
            raise BadInputError(
                f"expected an entry id such as '1700000000000-0' at {stream!r} of a position, found "
                f"{str(entry)[:80]!r}"
            )
    return dict(value)
