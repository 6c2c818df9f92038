"""Secrets in files: read only where others can not, written so that others can not."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path

from contracts.errors import BadInputError
from contracts.files import sync_folder

MAX_BYTES = 64 * 1024
PRIVATE = 0o600
TOKEN_BYTES = 32
"""256 random bits: nobody guesses them, however fast the hash that a server keeps of them."""


class SecretError(BadInputError):
    """A file that holds no usable secret, or holds it for all to read; the message never quotes it."""


def read_secret_bytes(file: Path, what: str) -> bytes:
    """The bytes of a file that only its owner, and at most its group, can read.

    `what` names the setting, for the errors.

    Raises:
        SecretError: it is missing, not a plain file, too large, or readable or writable by everybody.
    """
    path = file.expanduser()
    try:
        with path.open("rb") as handle:
            # Of the open file: a path could be another file by the time it is read.
            found = os.fstat(handle.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SecretError(f"expected a plain file at {path} ({what}), found another kind; correct it")
            if found.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
                raise SecretError(
                    f"expected {path} ({what}) to be closed to everybody but its owner and group, found mode "
                    f"{stat.S_IMODE(found.st_mode):04o}; chmod 600 it, and change the secret if others could "
                    "read it"
                )
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise SecretError(
            f"expected a readable file at {path} ({what}), found: {error.strerror or error}; create it or "
            "correct the setting"
        ) from None
    if len(data) > MAX_BYTES:
        raise SecretError(f"expected at most {MAX_BYTES} bytes in {path} ({what}), found more; correct it")
    return data


def read_password(file: Path, what: str) -> str:
    """The one line of a password file, without its line end.

    Raises:
        SecretError: as `read_secret_bytes`, or the file is empty, has several lines or is not UTF-8.
    """
    try:
        text = read_secret_bytes(file, what).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"expected UTF-8 in {file} ({what}), found other bytes; write it anew") from None
    if not text or any(not character.isprintable() for character in text):
        raise SecretError(
            f"expected one line with a password in {file} ({what}), found "
            f"{'none' if not text else 'several lines or control characters'}; write it anew"
        )
    return text


def write_private(file: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write `data` to `file` in one piece, closed to others from the first byte on.

    Raises:
        OSError: the folder is missing or full; `file` is then as it was.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(file.parent)


def private_folder(folder: Path) -> Path:
    """`folder`, made for its owner alone if it is missing."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def new_password() -> str:
    """A fresh random password of letters and digits, which needs quoting nowhere.

    >>> len(new_password()), new_password().isalnum()
    (64, True)
    """
    return secrets.token_hex(TOKEN_BYTES)
