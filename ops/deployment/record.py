"""What a deployment does, step by step, on disk before and after each: the crash path reads it again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadInputError
from contracts.files import write_atomic
from offline.registry import Lineup
from ops.settings import Settings

RECORD = "deployment.json"
Status = Literal["running", "done", "returned", "failed", "return_failed", "rolled_back", "left"]
"""`failed`: nothing had been switched yet; `returned`: what ran before runs again; `rolled_back`: it had been
done, and was taken back by hand; `left`: not to be put back any more, since others have released after it or
what ran before may not serve."""
OPEN: frozenset[Status] = frozenset({"running", "return_failed"})


class Step(BaseModel):
    """One step: when it began, how it ended."""

    model_config = ConfigDict(extra="forbid")

    name: str
    began_at: datetime
    seconds: float | None = None
    outcome: Literal["running", "done", "failed"] = "running"
    detail: str = ""


class Alias(BaseModel):
    """What an alias pointed at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    label: str
    sha256: str
    share: float = 0.0


class Before(BaseModel):
    """What ran before the switch, and so what a return puts back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    champion: Alias | None = None
    challenger: Alias | None = None
    previous: Alias | None = None
    current: str | None = None
    """Where the link pointed."""

    @classmethod
    def of(cls, lineup: Lineup, current: str | None) -> Before:
        """From the registry's aliases and the link."""

        def alias(one: Any) -> Alias | None:
            return (
                None
                if one is None
                else Alias(version=one.version, label=one.label, sha256=one.sha256, share=one.share)
            )

        return cls(
            champion=alias(lineup.champion),
            challenger=alias(lineup.challenger),
            previous=alias(lineup.previous),
            current=current,
        )


class Deployment(BaseModel):
    """`deployment.json`. `switching` is set before anything that workers see is touched."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, serialize_by_alias=True)

    schema_: Literal["deployment/1"] = Field(default="deployment/1", alias="schema")
    id: str
    version: str
    package: str
    package_sha256: str
    bundle: str
    bundle_sha256: str
    by: str
    why: str
    source: Literal["registry", "folder"]
    started_at: datetime
    ended_at: datetime | None = None
    status: Status = "running"
    switching: bool = False
    before: Before | None = None
    release: str | None = None
    """The installed folder, relative to the releases."""
    ends: dict[str, str] = Field(default_factory=dict)
    """The last entry of each band stream before the switch."""
    switched_at: float | None = None
    """Epoch seconds by the server's clock."""
    steps: list[Step] = Field(default_factory=list)
    problem: str = ""
    pid: int = Field(default_factory=os.getpid)

    def done(self, step: str) -> bool:
        """Whether a step has been completed."""
        return any(one.name == step and one.outcome == "done" for one in self.steps)


def deployments_path(settings: Settings) -> Path:
    """Where deployments keep their records, a folder each."""
    return settings.workspace_path / "deployments"


def new_folder(settings: Settings, version: str, at: datetime) -> Path:
    """A folder of its own for a deployment that begins at `at`."""
    stem = f"{at:%Y%m%dT%H%M%SZ}-{version}"
    for suffix in ("", *(f".{n}" for n in range(2, 100))):
        folder = deployments_path(settings) / (stem + suffix)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise OSError(f"expected a free name like {stem}, found 99 of them")


def save(deployment: Deployment, folder: Path) -> None:
    """Write the record; it is at any moment the old one or the new."""
    text = json.dumps(deployment.model_dump(mode="json"), indent=2, allow_nan=False)
    write_atomic(folder / RECORD, text.encode() + b"\n")


def load(folder: Path) -> Deployment:
    """Read a record.

    Raises:
        BadInputError: it is none.
    """
    path = folder / RECORD
    try:
        return Deployment.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BadInputError(
            f"expected the record of a deployment at {path}, found: {next(iter(str(error).splitlines()))}; "
            "restore it, or move the folder away once you have looked at the registry's aliases"
        ) from error


def records(settings: Settings) -> Iterator[tuple[Path, Deployment]]:
    """Every deployment of the workspace, newest first.

    Raises:
        BadInputError: a record can not be read.
    """
    home = deployments_path(settings)
    folders = sorted(home.iterdir(), reverse=True) if home.is_dir() else []
    for folder in folders:
        # Without a record it was cut off before it did anything.
        if re.match(r"\d{8}T\d{6}Z-", folder.name) and (folder / RECORD).exists():
            yield folder, load(folder)


def unfinished(settings: Settings) -> tuple[Path, Deployment] | None:
    """The deployment that was cut off, or whose return failed, if there is one."""
    return next(((f, one) for f, one in records(settings) if one.status in OPEN), None)


def now() -> datetime:
    """The present second in UTC."""
    return datetime.now(UTC).replace(microsecond=0)
