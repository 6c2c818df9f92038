"""A port that is free now and that no outgoing connection will take."""

from __future__ import annotations

import random
import socket

from ops.embedded.promised import promise

# Below the ranges from which Linux (32768 up) and macOS (49152 up) number outgoing connections: there, a
# client that keeps reconnecting to a dead server can be given the server's own port and block its restart.
FIRST, LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` at this moment.

    >>> is_free(free_port())
    True
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The servers set it too; without it, a port with closed connections in TIME_WAIT looks taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A random free loopback port in 20000-31999 that no other process of this user was given lately.

    Raises:
        OSError: when 200 tries found none.

    >>> 20_000 <= free_port() < 32_000
    True
    """
    rng = random.SystemRandom()
    for _ in range(200):
        port = rng.randrange(FIRST, LAST)
        if is_free(port) and promise(port):
            return port
    raise OSError(
        f"Expected a free port between {FIRST} and {LAST} on 127.0.0.1, found none in 200 tries: "
        "end some servers or name a port."
    )
