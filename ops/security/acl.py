"""The server's ACL file: a user for each role, its password in a file of its own, the default user off."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import BadInputError
from ops.security.roles import Role
from ops.security.secrets import new_password, private_folder, read_password, write_private

DEFAULT_OFF = "user default off nopass resetkeys resetchannels -@all"
FILE_MODE = 0o640
"""The server's group may read it: it holds hashes of 256 random bits, no passwords."""
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class WrittenAcl:
    """What `write_acl` left: the file, the folder of passwords, which of both are new."""

    file: Path
    passwords: Path
    is_new: bool
    made: tuple[str, ...]
    kept: tuple[str, ...]
    """Users in the file that are no role: left as they are."""


def write_acl(file: Path, passwords: Path, roles: Sequence[Role]) -> WrittenAcl:
    """Write the ACL file and whichever passwords are missing; the same again changes nothing.

    A user of the file that is no role keeps its line, but for `default`, which is off.

    Raises:
        BadInputError: what is at `file` is no ACL file; nothing is then written.
        SecretError: a password file is empty, or readable by everybody.
    """
    foreign = _foreign(file, {role.name for role in roles})
    private_folder(passwords)
    made = tuple(role.name for role in roles if not (passwords / role.name).exists())
    for name in made:
        write_private(passwords / name, f"{new_password()}\n".encode())
    known = {role.name: read_password(passwords / role.name, "a role's password") for role in roles}
    text = acl_text(roles, known, tuple(foreign.values())).encode()
    is_new = not file.exists() or file.read_bytes() != text
    if is_new:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_private(file, text, FILE_MODE)
    return WrittenAcl(file, passwords, is_new, made, tuple(foreign))


def acl_text(roles: Sequence[Role], passwords: Mapping[str, str], foreign: Sequence[str] = ()) -> str:
    """The ACL file: the default user off, a line for each role, then foreign lines."""
    lines = [DEFAULT_OFF]
    for role in roles:
        rules = " ".join(role.rules)
        lines.append(f"user {role.name} on sanitize-payload #{password_hash(passwords[role.name])} {rules}")
    return "\n".join((*lines, *foreign)) + "\n"


def password_hash(password: str) -> str:
    """How the server keeps a password.

    >>> password_hash("x")[:8]
    '2d711642'
    """
    return hashlib.sha256(password.encode()).hexdigest()


def rotate(passwords: Path, role: str) -> None:
    """Give a role a new password; the old file is gone, the ACL file is to be written and loaded.

    Raises:
        BadInputError: there is no password of such a role.
    """
    file = passwords / role
    if not file.is_file():
        raise BadInputError(f"expected a password of {role} in {passwords}, found none; write the ACL first")
    old = file.read_bytes()
    while (new := f"{new_password()}\n".encode()) and secrets.compare_digest(new, old):
        continue
    write_private(file, new)


def _foreign(file: Path, ours: set[str]) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"expected an ACL file at {file}, found: {error}; choose another --out"
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if words[0] != "user" or len(words) < 3:
            raise BadInputError(
                f"expected lines `user NAME rules…` in {file}, found another in line {number}; choose "
                "another --out, or remove that file"
            )
        name = words[1]
        # The workers of partitions that no longer exist are not foreign: they go.
        if name not in ours and name != DEFAULT and not name.startswith("worker-"):
            found[name] = line
    return found
