"""One webhook: its secret URL, and a POST that is tried until it is accepted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set
from tenacity.wait import wait_exponential, wait_random

from contracts.errors import BadInputError
from ops.notify.message import Notification
from ops.security.secrets import read_password

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
UNACCEPTABLE = frozenset({400, 413, 422})
"""The receiver has read the message and will never take it: trying again would hold up all that follow."""
TRIES = 5
"""For a message that is unacceptable: a receiver that is being deployed may say so for a moment."""


class NotDeliveredError(RuntimeError):
    """The receiver did not take a message; it is tried again."""

    def __init__(self, told: str, *, unacceptable: bool = False, pause_s: float = 0.0) -> None:
        super().__init__(told)
        self.unacceptable = unacceptable
        self.pause_s = pause_s


def read_webhook(url: str | None, file: Path | None) -> str:
    """The webhook's URL, given or in a file that others can not read.

    Raises:
        BadInputError: neither, both, or no http(s) URL; the message does not hold the URL.
    """
    if (url is None) == (file is None):
        found = "neither" if url is None else "both"
        raise BadInputError(
            f"expected --webhook URL or a file that holds it (notify.webhook_file), found {found}"
        )
    told = url if url is not None else read_password(file or Path(), "notify.webhook_file")
    parsed = httpx.URL(told) if told.startswith(("http://", "https://")) else None
    if parsed is None or not parsed.host:
        raise BadInputError("expected a webhook that begins with http:// or https:// and a host, found none")
    return told


@dataclass(slots=True)
class Webhook:
    """POSTs notifications to a URL. `stop` ends the waiting between two attempts."""

    url: str = field(repr=False)
    stop: threading.Event
    timeout_s: float = 10.0
    longest_pause_s: float = 60.0
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._client = httpx.Client(timeout=self.timeout_s, follow_redirects=False)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def deliver(self, one: Notification) -> bool:
        """Post until it is accepted; False when it was given up as unacceptable.

        Raises:
            NotDeliveredError: told to stop before it was accepted.
        """
        growing = wait_exponential(FIRST_PAUSE_S, self.longest_pause_s) + wait_random(0, FIRST_PAUSE_S)

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.pause_s if isinstance(error, NotDeliveredError) else 0.0
            return max(growing(state), min(asked, self.longest_pause_s))

        def is_over(state: RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            gives_up = isinstance(error, NotDeliveredError) and error.unacceptable
            return (gives_up and state.attempt_number >= TRIES) or stop_when_event_set(self.stop)(state)

        attempts = Retrying(
            retry=retry_if_exception_type(NotDeliveredError),
            wait=pause,
            stop=is_over,
            sleep=self._pause,
            before_sleep=_told_seldom(one),
            reraise=True,
        )
        try:
            attempts(self._post, one)
        except NotDeliveredError as error:
            if not error.unacceptable or self.stop.is_set():
                raise
            log.error(  # noqa: TRY400 - its trace says nothing
                "%s was given up after %d attempts: %s; it stays on its stream",
                one.key,
                TRIES,
                error,
                extra={"entry": one.entry, "stream": one.stream},
            )
            return False
        return True

    def _pause(self, seconds: float) -> None:
        self.stop.wait(seconds)

    def _post(self, one: Notification) -> None:
        headers = {"content-type": "application/json", "idempotency-key": one.key}
        try:
            answer = self._client.post(self.url, content=one.to_json(), headers=headers)
        except httpx.HTTPError as error:
            # httpx's own message may hold the URL, which is a secret.
            raise NotDeliveredError(f"no answer ({type(error).__name__})") from None
        if answer.is_success:
            return
        raise NotDeliveredError(
            f"the webhook answered {answer.status_code}",
            unacceptable=answer.status_code in UNACCEPTABLE,
            pause_s=_retry_after(answer),
        )


def _retry_after(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdigit() else 0.0


def _told_seldom(one: Notification) -> Callable[[RetryCallState], None]:
    """A line for the first failed attempt of a message and for every tenth."""

    def tell(state: RetryCallState) -> None:
        if state.attempt_number == 1 or state.attempt_number % 10 == 0:
            error = state.outcome.exception() if state.outcome else None
            log.warning(
                "%s waits after %d attempts: %s",
                one.key,
                state.attempt_number,
                error,
                extra={"entry": one.entry, "stream": one.stream},
            )

    return tell
