"""Finished pieces of a long run on disk, believed only when every byte is as it was written.

A file is one line, `SCHEMA key sha256`, and a numpy archive without pickle whose digest the line holds.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.files import write_atomic

SCHEMA = "validation-window/1"

Arrays = dict[str, NDArray[Any]]

log = logging.getLogger(__name__)


def key_of(told: Mapping[str, Any]) -> str:
    """SHA-256 in hex of JSON types: the same input, the same key.

    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WindowStore:
    """A folder with one file per finished window, named by when it starts and a hash of its inputs."""

    folder: Path

    def path(self, name: str, key: str) -> Path:
        """Where the window of this name and key lives."""
        return self.folder / f"{name}-{key[:16]}.window"

    def save(self, name: str, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a finished window, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **dict(arrays))
        body = buffer.getvalue()
        header = f"{SCHEMA} {key} {hashlib.sha256(body).hexdigest()}\n".encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path(name, key), header + body)

    def load(self, name: str, key: str) -> Arrays | None:
        """The window's arrays; None where there are none, or none that can be believed (logged)."""
        path = self.path(name, key)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        header, _, body = raw.partition(b"\n")
        expected = f"{SCHEMA} {key} {hashlib.sha256(body).hexdigest()}".encode()
        if header != expected:
            log.warning("%s is not as it was written; computing this window again", path)
            return None
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            return {member: archive[member] for member in archive.files}
