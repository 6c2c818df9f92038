"""Where numbers come from: each file is read once, and what is parsed is the very bytes that were hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from offline.documents import json_object


@dataclass(frozen=True, slots=True)
class Source:
    """One input file. `tag` is how the report cites it (`S1`), `name` its file name, never its folder."""

    tag: str
    what: str
    name: str
    sha256: str


class SourceReader:
    """Reads files and numbers them in the order they are read."""

    def __init__(self) -> None:
        self.sources: list[Source] = []

    def read(self, path: Path, what: str) -> tuple[Source, bytes]:
        """The bytes of a file and how to cite it; `what` says what it is.

        Raises:
            BadInputError: there is no such file.
        """
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise BadInputError(
                f"expected {what} in {path}, found {error.strerror or error}; give the file, or leave it out "
                "where it is optional"
            ) from error
        return self.add(what, path.name, hashlib.sha256(raw).hexdigest()), raw

    def read_json(self, path: Path, what: str, schema: str | None) -> tuple[Source, dict[str, Any]]:
        """One JSON object of this schema (None for any).

        Raises:
            BadInputError: no such file, no JSON object, NaN or infinity in it, or another schema.
        """
        source, raw = self.read(path, what)
        return source, json_object(raw, what, path, schema)

    def add(self, what: str, name: str, sha256: str) -> Source:
        """Number a source whose hash is known."""
        source = Source(f"S{len(self.sources) + 1}", what, name, sha256)
        self.sources.append(source)
        return source


def same_bundle(told: Mapping[str, Any], bundle_sha256: str | None) -> bool | None:
    """Whether a file says it is about this bundle; None where either side does not say."""
    said = told.get("bundle_sha256")
    if isinstance(bundle := told.get("bundle"), Mapping):
        said = said or bundle.get("sha256")
    if bundle_sha256 is None or not isinstance(said, str):
        return None
    return said == bundle_sha256


def cites_another(told: Any, source: Source) -> bool:
    """Whether a file names this source with another hash, and never with its own.

    >>> source = Source("S1", "results", "results.json", "ab")
    >>> cites_another({"results": {"file": "results.json", "sha256": "cd"}}, source)
    True
    """
    cited = set(_cited(told, source.name))
    return bool(cited) and source.sha256 not in cited


def _cited(told: Any, name: str) -> Iterator[str]:
    if isinstance(told, Mapping):
        if told.get("file") == name and isinstance(told.get("sha256"), str):
            yield told["sha256"]
        for value in told.values():
            yield from _cited(value, name)
    elif isinstance(told, list):
        for value in told:
            yield from _cited(value, name)
