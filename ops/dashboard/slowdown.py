"""How long somebody who guesses passwords has to wait."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE_TRIES = 5
LONGEST_WAIT_S = 300.0
REMEMBERED = 10_000


class Slowdown:
    """After five wrong passwords from an address each further one doubles the wait, up to five minutes.

    >>> clock = [0.0]
    >>> slow = Slowdown(lambda: clock[0])
    >>> for _ in range(7):
    ...     slow.failed("203.0.113.9")
    >>> slow.wait_s("203.0.113.9"), slow.wait_s("203.0.113.10")
    (4.0, 0.0)
    >>> clock[0] = 4.5
    >>> slow.wait_s("203.0.113.9")
    0.0
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until the next try from here is looked at."""
        with self._lock:
            count, last = self._failures.get(_network(address), (0, 0.0))
            if count <= FREE_TRIES:
                return 0.0
            wait = min(LONGEST_WAIT_S, 2.0 ** min(60, count - FREE_TRIES))
            return max(0.0, last + wait - self._clock())

    def failed(self, address: str) -> None:
        """Note a wrong password."""
        with self._lock:
            network = _network(address)
            count, _ = self._failures.pop(network, (0, 0.0))
            self._failures[network] = (count + 1, self._clock())
            while len(self._failures) > REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        with self._lock:
            self._failures.pop(_network(address), None)


def _network(address: str) -> str:
    """An IPv6 host owns a whole /64 of addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
