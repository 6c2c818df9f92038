"""What every behaviour test needs: a worker on short leases, a feed that resends, the undisturbed truth."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contracts.events import Bar
from contracts.model.bundle import Bundle
from contracts.model.grid import HORIZONS
from contracts.topics import GROUP, Topics
from ops.embedded import free_port
from ops.worker_process import WorkerProcess
from worker import store
from worker.arrival import Arrival
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State

TOPICS = Topics()

PATIENCE_S = 120.0
"""What is waited for takes milliseconds; a machine under load may take many times that."""

SHORT: Mapping[str, str] = {
    "BANDS_WORKER__LEASE_TTL_MS": "1000",
    "BANDS_WORKER__SWEEP_INTERVAL_S": "0.1",
    "BANDS_STREAM__BLOCK_MS": "100",
}
"""Leases and sweeps short enough for a test to see many of them."""


STEADY: Mapping[str, str] = {"BANDS_WORKER__LEASE_TTL_MS": "10000"}
"""For a worker that nobody is to follow: one second is a lease that a pause of the machine outlives."""


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Poll `condition` until it holds; say what never came about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"expected within {timeout_s:.0f} s: {what}; found that it did not happen")
        time.sleep(0.002)


class ServedWorker(WorkerProcess):
    """A worker process with short leases whose HTTP side is easy to ask."""

    def __init__(
        self,
        url: str,
        folder: Path,
        bundle: Path | None,
        *,
        port: int | None = None,
        tracking_uri: str | None = None,
        **settings: str,
    ) -> None:
        self.port = port or free_port()
        self.log = folder / f"worker-{self.port}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BANDS_")}
        env = {**inherited, **SHORT, "BANDS_WORKSPACE": str(folder / "var"), **settings}
        super().__init__(url, self.port, self.log, bundle=bundle, tracking_uri=tracking_uri, env=env)

    def __enter__(self) -> Self:
        self.start()
        return self

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one request; status 0 while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def problems(self) -> str:
        """What `/ready` complains about; empty when ready, or when nobody answers."""
        return "; ".join(self.report().get("problems", []))

    def wait_problem(self, words: str) -> None:
        """Wait until `/ready` answers 503 and says `words`."""
        wait_until(lambda: words in self.problems(), f"/ready tells {words!r}")
        assert self.get("/ready")[0] == 503

    def told(self) -> str:
        """Everything it has logged so far."""
        return self.log.read_text(errors="replace")


@dataclass
class Feed:
    """A feed as it should be: in order, and every bar again until the server has acknowledged it."""

    url: str
    bars: Sequence[Bar]
    sent: int = 0
    resent: int = 0
    last: str = ""
    _redis: Any = field(init=False)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._redis = Redis.from_url(self.url, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    @property
    def left(self) -> int:
        """Bars not yet acknowledged by the server."""
        return len(self.bars) - self.sent

    def push(self, count: int) -> None:
        """Send the next bars."""
        for bar in self.bars[self.sent : self.sent + count]:
            self._send(bar.to_wire())
            self.sent += 1

    def rewind(self, count: int) -> None:
        """Forget that the last `count` bars were acknowledged."""
        self.sent = max(0, self.sent - count)

    def push_rest_in_background(self, pause_s: float) -> None:
        """Send what is left from a thread, one bar every `pause_s`."""
        self._thread = threading.Thread(target=self._push_slowly, args=(pause_s,), daemon=True)
        self._thread.start()

    def wait_sent(self, goal: int) -> None:
        """Wait until the thread has sent `goal` bars."""
        wait_until(lambda: self.sent >= goal, f"{goal} bars sent")

    def join(self) -> None:
        """Wait for the thread to have sent everything."""
        assert self._thread is not None
        self._thread.join(PATIENCE_S)
        assert not self.left, f"expected every bar to be sent, found {self.left} left"

    def _push_slowly(self, pause_s: float) -> None:
        while self.left:
            self.push(1)
            time.sleep(pause_s)

    def _send(self, data: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.last = self._redis.xadd(TOPICS.bars, {"data": data}).decode()
            except (RedisError, OSError):
                if time.monotonic() > deadline:
                    raise
                self.resent += 1
                time.sleep(0.02)
            else:
                return


@dataclass(frozen=True)
class Truth:
    """What an undisturbed run of the engine says and keeps."""

    streams: Mapping[str, list[bytes]]
    state: Mapping[bytes, bytes]
    latest: Mapping[str, Mapping[bytes, bytes]]

    @classmethod
    def of(cls, bundle: Bundle, bars: Sequence[Bar], topics: Topics = TOPICS) -> Truth:
        """Run the engine over the `bars` of one partition in one go."""
        arrivals = [Arrival(f"{n}-0", {b"data": bar.to_wire()}, bar) for n, bar in enumerate(bars, 1)]
        step = Engine(Lineup(bundle), topics).run(State(), arrivals)
        outcomes = [topics.outcomes(horizon) for horizon in HORIZONS]
        said = (*topics.all_bands, *outcomes, topics.drift, topics.retrain)
        streams: dict[str, list[bytes]] = {stream: [] for stream in said}
        for event in step.events:
            streams[event.stream].append(event.payload)
        answered = sum(bar.role is None for bar in bars)
        assert all(len(streams[stream]) == answered for stream in topics.all_bands)
        latest: dict[str, dict[bytes, bytes]] = {}
        for (symbol, horizon), payload in step.latest.items():
            latest.setdefault(topics.latest(symbol), {})[f"T{horizon}".encode()] = payload
        state = {name.encode(): blob for name, blob in store.fields_of(step).items()}
        return cls(streams, state, latest)


def payloads(client: Any, stream: str) -> list[bytes]:
    """The `data` of every entry of a stream."""
    return [fields[b"data"] for _, fields in client.xrange(stream)]


def places(wanted: Sequence[bytes], record: bytes) -> int | None:
    """Where `record` stands in an undisturbed run; None where it has no place there."""
    return wanted.index(record) if record in wanted else None


def cursor(client: Any, topics: Topics = TOPICS) -> tuple[int, int]:
    """The last entry in effect, comparable."""
    return order((client.hget(topics.cursor, "entry") or b"0-0").decode())


def order(entry: str) -> tuple[int, int]:
    """An entry id, comparable."""
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq)


def waiting(client: Any) -> int:
    """Bars in the stream that are not in effect."""
    ms, seq = cursor(client)
    return len(client.xrange(TOPICS.bars, min=f"({ms}-{seq}"))


def wait_taken(client: Any, feed: Feed, goal: int) -> None:
    """Wait until `goal` of the bars sent are in effect."""
    wait_until(lambda: feed.sent - waiting(client) >= goal, f"{goal} bars in effect")


def wait_in_effect(client: Any, entry: str, topics: Topics = TOPICS) -> None:
    """Wait until `entry` and all before it are in effect and acknowledged."""

    def settled() -> bool:
        done = cursor(client, topics) >= order(entry)
        return done and not client.xpending(topics.bars, GROUP)["pending"]

    wait_until(settled, f"entry {entry} in effect and nothing pending")


def assert_undisturbed(client: Any, truth: Truth, topics: Topics = TOPICS) -> None:
    """Everything on the server is byte for byte what an undisturbed run leaves."""
    for stream, wanted in truth.streams.items():
        found = payloads(client, stream)
        lost = len(set(wanted) - set(found))
        assert len(found) == len(wanted), (
            f"{stream}: expected {len(wanted)} records, found {len(found)}, {lost} lost"
        )
        differing = [n for n, (a, b) in enumerate(zip(found, wanted, strict=True)) if a != b]
        assert not differing, (
            f"{stream}: {len(differing)} other records, {lost} lost; first at {differing[0]}: expected "
            f"{wanted[differing[0]]!r}, found {found[differing[0]]!r}; by their place in an undisturbed "
            f"run they came as {[places(wanted, found[n]) for n in differing]}"
        )
    assert client.hgetall(topics.state) == truth.state
    for key, record in truth.latest.items():
        assert client.hgetall(key) == record
    assert client.xlen(topics.dead) == 0
    (group,) = client.xinfo_groups(topics.bars)
    assert (group["name"].decode(), group["pending"]) == (GROUP, 0)
    assert group["last-delivered-id"] == client.xinfo_stream(topics.bars)["last-generated-id"]
