"""Is this process, is this port really the server of this folder?

Pids and ports are reused by strangers. A server counts as ours only when it carries the random token of
`server.json`: in its process title for whoever wants to end it, in its configuration for whoever connects.
"""

from __future__ import annotations

import contextlib
import time

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ops.embedded.record import ServerRecord


def pid_behind(port: int, token: str, timeout_s: float = 1.0) -> int | None:
    """The pid of the server on 127.0.0.1:`port` if it carries `token` and is ready; None otherwise."""
    client = Redis(
        port=port,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    try:
        client.ping()  # refused with LOADING until the AOF is replayed
        title = str(client.config_get("proc-title-template").get("proc-title-template", ""))
        return int(client.info("server")["process_id"]) if token in title.split() else None
    except (RedisError, OSError):
        return None
    finally:
        client.close()


def process_of(record: ServerRecord) -> psutil.Process | None:
    """The living process of this record, or None when it is gone or its pid belongs to a stranger."""
    try:
        process = psutil.Process(record.pid)
        words = " ".join(process.cmdline()).split()
    except psutil.Error:
        return None
    # Asked over the wire as well: not every platform shows a title that was set after the start.
    ours = record.token in words or pid_behind(record.port, record.token) == record.pid
    return process if ours else None


def end(record: ServerRecord, grace_s: float = 5.0) -> bool:
    """End the recorded server: SIGTERM, and SIGKILL after `grace_s` seconds. False if it is not ours."""
    process = process_of(record)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        if not wait_gone(record, grace_s):
            process.kill()
            wait_gone(record, grace_s)
    return True


def wait_gone(record: ServerRecord, timeout_s: float = 5.0) -> bool:
    """Whether the recorded server is gone within `timeout_s` seconds; a zombie of it counts as gone."""
    deadline = time.monotonic() + timeout_s
    while process_of(record) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True
