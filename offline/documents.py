"""JSON documents of this project, read as strictly as they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from contracts.errors import BadInputError


def json_object(raw: bytes, what: str, path: Path, schema: str | None = None) -> dict[str, Any]:
    """The JSON object in `raw`, the bytes of the file `path`; `what` says what it should be.

    Raises:
        BadInputError: no JSON object, NaN or infinity in it, or another schema than asked for.
    """
    try:
        told = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"expected {what} as JSON in {path}, found: {error}") from error
    if not isinstance(told, dict):
        raise BadInputError(f"expected {what} as a JSON object in {path}, found {type(told).__name__}")
    if schema is not None and told.get("schema") != schema:
        raise BadInputError(
            f"expected {what} of schema {schema} in {path}, found {told.get('schema')!r}; write it again "
            "with this release, or give the right file"
        )
    return told


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON has no text for")
