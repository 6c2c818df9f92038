"""The messages' JSON Schemas (draft 2020-12) as files, for those who do not speak Python.

`band-1.json` describes what `"schema": "band/1"` announces. The files are generated from the models:
`python -m contracts.schemas` writes them anew after a model has changed.
"""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from contracts.events.schema import json_schemas
from contracts.files import write_atomic


def schema_file(version: str) -> Traversable:
    """The published file of a schema version, in a wheel as in a checkout.

    >>> schema_file("band/1").name
    'band-1.json'
    """
    return files("contracts.schemas") / _name(version)


def schema_texts() -> dict[str, str]:
    """What each published file holds, by its name."""
    return {
        _name(version): json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for version, schema in sorted(json_schemas().items())
    }


def write_schemas(folder: Path) -> list[Path]:
    """Write the files to `folder`, which is made; return them.

    Files of versions no longer written stay: whoever reads an old stream needs them.

    Raises:
        OSError: the folder can not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in schema_texts().items():
        write_atomic(folder / name, text.encode())
        written.append(folder / name)
    return written


def _name(version: str) -> str:
    return f"{version.replace('/', '-')}.json"
