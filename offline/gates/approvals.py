"""Sign-offs: who released which bundle on what evidence, one line each, never rewritten.

`<bundle sha256>.jsonl` holds a record a line, schema `approval/1`, each with the sha256 of the line before:
a line that was changed, dropped or moved breaks the chain. One person signs one role.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import BadInputError
from contracts.events.base import UtcTime
from contracts.files import locked, write_atomic
from contracts.model.bundle.manifest import Sha256
from offline.gates.source import first_problem

Role = Literal["architect", "product-owner"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME_MAX, NOTE_MAX = 100, 1_000


def _line(text: str) -> str:
    """One line of visible text: controls and invisible formats could show another name than is stored."""
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} for letter in text):
        raise ValueError(f"expected text without control characters, found {text!r}")
    return " ".join(unicodedata.normalize("NFC", text).split())


def _name(text: str) -> str:
    name = _line(text)
    if not any(letter.isalpha() for letter in name):
        raise ValueError(f"expected a person's name, found {text!r}")
    return name


class Approval(BaseModel):
    """One sign-off."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)

    schema_: Literal["approval/1"] = Field(default="approval/1", alias="schema")
    role: Role
    name: Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_name)]
    time: UtcTime
    note: Annotated[str, Field(max_length=NOTE_MAX), AfterValidator(_line)] = ""
    bundle_sha256: Sha256
    results_sha256: Sha256
    gates_sha256: Sha256
    previous: Sha256 | None = None
    """sha256 of the line before; None in the first."""

    @property
    def person(self) -> str:
        """The name as it is compared: letter case, width and spacing do not make another person."""
        return unicodedata.normalize("NFKC", self.name).casefold()


def approvals_file(folder: Path, bundle_sha256: str) -> Path:
    """Where a bundle's sign-offs lie."""
    return folder / f"{bundle_sha256}.jsonl"


def read_approvals(folder: Path, bundle_sha256: str) -> list[Approval]:
    """The sign-offs of a bundle, oldest first; empty when there is none.

    Raises:
        BadInputError: a line is not a sign-off of this bundle, or the chain is broken.
    """
    path = approvals_file(folder, bundle_sha256)
    if not path.exists():
        return []
    raw = path.read_bytes()
    found: list[Approval] = []
    before: str | None = None
    for number, line in enumerate(raw.splitlines(), 1):
        try:
            approval = Approval.model_validate_json(line)
        except ValidationError as error:
            raise BadInputError(
                f"expected a sign-off in line {number} of {path}, found: {_first(error)}; restore the file"
            ) from error
        if approval.bundle_sha256 != bundle_sha256 or approval.previous != before:
            raise BadInputError(
                f"expected line {number} of {path} to follow the one before it and to be about bundle "
                f"{bundle_sha256[:12]}, found one that does not: the file was altered; restore it"
            )
        before = hashlib.sha256(line).hexdigest()
        found.append(approval)
    return found


def approve(
    folder: Path,
    *,
    role: str,
    name: str,
    time: datetime,
    note: str,
    bundle_sha256: str,
    results_sha256: str,
    gates_sha256: str,
) -> tuple[Approval, bool]:
    """Append a sign-off; the record and whether it is new. The same person and role again changes nothing.

    Raises:
        BadInputError: an unknown role, a name that is none, or a person who signed the other role.
    """
    try:
        wanted = Approval.model_validate(
            {
                "role": role,
                "name": name,
                "time": time,
                "note": note,
                "bundle_sha256": bundle_sha256,
                "results_sha256": results_sha256,
                "gates_sha256": gates_sha256,
            }
        )
    except ValidationError as error:
        raise BadInputError(f"expected a sign-off by a named person, found: {_first(error)}") from error
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f".{bundle_sha256}.lock"):
        earlier = read_approvals(folder, bundle_sha256)
        for one in earlier:
            if one.person != wanted.person:
                continue
            if one.role == wanted.role:
                return one, False
            raise BadInputError(
                f"expected two people for two roles, found {one.name} signed as {one.role} already; let "
                f"another person sign as {wanted.role}"
            )
        path = approvals_file(folder, bundle_sha256)
        raw = path.read_bytes() if earlier else b""
        last = hashlib.sha256(raw.splitlines()[-1]).hexdigest() if raw else None
        signed = wanted.model_copy(update={"previous": last})
        text = json.dumps(signed.model_dump(mode="json"), ensure_ascii=False, allow_nan=False)
        write_atomic(path, raw + text.encode() + b"\n")
    return signed, True


def require_signoff(folder: Path, bundle_sha256: str, roles: Sequence[Role] = ROLES) -> list[Approval]:
    """The sign-offs of a bundle, when every role has signed it.

    Raises:
        BadInputError: a role has not signed (the message names it), or the file was altered.
    """
    found = read_approvals(folder, bundle_sha256)
    if missing := [role for role in roles if role not in {approval.role for approval in found}]:
        raise BadInputError(
            f"expected sign-off of bundle {bundle_sha256[:12]} by {' and '.join(roles)}, found none by "
            f"{' and '.join(missing)}; sign it with `bands approve --role {missing[0]}`"
        )
    if len({approval.person for approval in found}) < len(roles):
        raise BadInputError(
            f"expected {len(roles)} people to sign bundle {bundle_sha256[:12]}, found "
            f"{', '.join(sorted({approval.name for approval in found}))} alone; let another person sign"
        )
    return found


def _first(error: ValidationError) -> str:
    return ": ".join(first_problem(error))
