"""Evidence files: read once, and what is parsed is the very bytes that were hashed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.errors import BadInputError

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
    try:
        told = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"expected {what} as JSON in {path}, found: {error}") from error
    if not isinstance(told, dict) or told.get("schema") != schema:
        found = told.get("schema") if isinstance(told, dict) else type(told).__name__
        raise BadInputError(
            f"expected {what} of schema {schema} in {path}, found {found!r}; write it again with this "
            "release, or give the right file"
        )
    return Source(path.name, hashlib.sha256(raw).hexdigest()), told


def parse(model: type[Read], told: dict[str, Any], what: str, path: Path) -> Read:
    """`told` as `model`; raises `BadInputError` naming the first place that is not as it should be."""
    try:
        return model.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        reason = first["msg"].removeprefix("Value error, ")
        raise BadInputError(
            f"expected a whole {what} in {path}, found at {where}: {reason}; write it again"
        ) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON has no text for")
