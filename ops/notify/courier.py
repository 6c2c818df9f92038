"""From the streams to the webhook, in order, at least once: a position moves only after its delivery."""

from __future__ import annotations

import logging
import threading

from redis.exceptions import RedisError

from ops.notify.message import Source, notification
from ops.notify.sources import Positions
from ops.notify.webhook import NotDeliveredError, Webhook

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 30.0


class Courier:
    """Delivers what waits, for ever or once. A server that is away is waited for, loud and calm."""

    def __init__(
        self,
        positions: Positions,
        streams: dict[str, Source],
        webhook: Webhook,
        stop: threading.Event,
        page: int,
    ) -> None:
        self._positions = positions
        self._streams = streams
        self._webhook = webhook
        self._stop = stop
        self._page = page

    def deliver_all(self) -> int:
        """Deliver until nothing waits; how many messages were accepted.

        Raises:
            NotDeliveredError: told to stop meanwhile.
            redis.exceptions.RedisError: the server does not answer.
        """
        accepted = 0
        while waiting := list(self._positions.waiting(self._page)):
            for one in waiting:
                told = notification(self._streams[one.stream], one.stream, one.entry, one.data)
                if told is not None and self._webhook.deliver(told):
                    accepted += 1
                    fields = {"entry": one.entry, "stream": one.stream, "kind": told.kind}
                    log.info("delivered %s: %s", told.key, told.text, extra=fields)
                self._positions.done(one)
        return accepted

    def serve(self, interval_s: float) -> None:
        """Deliver until told to stop."""
        failures = 0
        while not self._stop.is_set():
            try:
                self.deliver_all()
            except NotDeliveredError:
                return
            except (RedisError, OSError) as error:
                failures += 1
                if failures == 1 or failures % 10 == 0:
                    log.warning("the server does not answer (%d times): %s", failures, error)
                self._stop.wait(min(LONGEST_PAUSE_S, interval_s * 2 ** min(failures, 5)))
            else:
                if failures:
                    log.warning("the server answers again after %d failures", failures)
                failures = 0
                self._stop.wait(interval_s)
