"""`pipeline.json`: which stages are finished, what they read, and the hash of every file they left.

Schema `pipeline/1`: `stages` by name, each with `inputs` (named, as they decided the result), `outputs`
(path in the pipeline's folder → sha256), `said` (its sentence) and `seconds`. Written after every stage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadInputError
from contracts.files import write_atomic

PIPELINE = "pipeline.json"


class StageRecord(BaseModel):
    """One finished stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: dict[str, Any]
    outputs: dict[str, str]
    said: str
    seconds: float

    @property
    def digest(self) -> str:
        """One hash of all outputs: what a later stage has read."""
        return hashlib.sha256(json.dumps(self.outputs, sort_keys=True).encode()).hexdigest()


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_: Literal["pipeline/1"] = Field(default="pipeline/1", alias="schema")
    stages: dict[str, StageRecord] = {}


class Record:
    """The finished stages of the pipeline in one folder.

    Raises:
        BadInputError: `pipeline.json` is there, and is not one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._document = _read(folder / PIPELINE)

    def __getitem__(self, name: str) -> StageRecord:
        return self._document.stages[name]

    def get(self, name: str) -> StageRecord | None:
        """A stage's record; None where it never finished."""
        return self._document.stages.get(name)

    def broken(self, name: str) -> str | None:
        """The first output that is not as it was written, as a reason; None when all are."""
        for path, sha256 in self[name].outputs.items():
            file = self.folder / path
            if not file.is_file():
                return f"{path} is missing"
            if file_sha256(file) != sha256:
                return f"{path} was altered"
        return None

    def keep(
        self, name: str, inputs: dict[str, Any], files: Sequence[Path], said: str, seconds: float
    ) -> None:
        """Record a finished stage; a folder in `files` stands for every file in it."""
        outputs = {
            file.relative_to(self.folder).as_posix(): file_sha256(file)
            for path in files
            for file in (sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path])
        }
        self._document.stages[name] = StageRecord(
            inputs=inputs, outputs=outputs, said=said, seconds=round(seconds, 3)
        )
        self._save()

    def forget(self, name: str) -> None:
        """Remove a stage's files and its record."""
        known = self._document.stages.pop(name)
        self._save()
        for path in known.outputs:
            (self.folder / path).unlink(missing_ok=True)
        folders = {parent for path in known.outputs for parent in (self.folder / path).parents}
        inside = (folder for folder in folders if self.folder in folder.parents and folder.is_dir())
        for folder in sorted(inside, key=lambda one: len(one.parts), reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()

    def _save(self) -> None:
        told = self._document.model_dump(mode="json", by_alias=True)
        text = json.dumps(told, indent=2, sort_keys=True, allow_nan=False)
        write_atomic(self.folder / PIPELINE, text.encode() + b"\n")


def file_sha256(path: Path) -> str:
    """SHA-256 in hex of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _read(file: Path) -> _Document:
    try:
        return _Document.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return _Document()
    except ValidationError as error:
        raise BadInputError(
            f"expected a record of `bands pipeline` (pipeline/1) in {file}, found: {error}; remove it, and "
            "every stage is checked and run again from what it kept itself"
        ) from error
