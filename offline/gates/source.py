"""Evidence files: read once, and what is parsed is the very bytes that were hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.errors import BadInputError
from offline.documents import json_object

Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name, never its folder, and its sha256."""

    name: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """The source as JSON types."""
        return {"file": self.name, "sha256": self.sha256}


def read_json(path: Path, what: str, schema: str) -> tuple[Source, dict[str, Any]]:
    """One JSON object of this schema and where it came from.

    Raises:
        BadInputError: no such file, no JSON object, NaN or infinity in it, or another schema.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"expected {what} at {path}, found: {error.strerror or error}") from error
    told = json_object(raw, what, path, schema)
    return Source(path.name, hashlib.sha256(raw).hexdigest()), told


def parse(model: type[Read], told: dict[str, Any], what: str, path: Path) -> Read:
    """`told` as `model`; raises `BadInputError` naming the first place that is not as it should be."""
    try:
        return model.model_validate(told)
    except ValidationError as error:
        where, reason = first_problem(error)
        raise BadInputError(
            f"expected a whole {what} in {path}, found at {where or 'the document'}: {reason}; write it again"
        ) from error


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Where the first thing is that is not as it should be, dotted, and what is wrong there."""
    first = error.errors(include_url=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
