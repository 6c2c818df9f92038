"""The same subscriptions for programs without asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Generic, ParamSpec, Self

from contracts.client.decode import E, SkipKind
from contracts.client.subscribe import outcomes, subscribe
from contracts.client.subscription import Subscription

P = ParamSpec("P")


class SyncSubscription(Generic[E]):
    """A `Subscription` on an event loop of its own; iterate in the thread that made it."""

    def __init__(self, open_: Callable[[], Subscription[E]]) -> None:
        self._runner = asyncio.Runner()
        self._subscription = open_()

    @property
    def position(self) -> dict[str, str]:
        """Everything up to and including the record in hand; see `Subscription.position`."""
        return self._subscription.position

    @property
    def entry(self) -> tuple[str, str] | None:
        """Stream and entry id of the record in hand."""
        return self._subscription.entry

    @property
    def skipped(self) -> Mapping[SkipKind, int]:
        """Entries left out, by kind."""
        return self._subscription.skipped

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        """The next record; waits for it, and Ctrl-C ends the wait. Raises what `Subscription` does."""
        try:
            return self._runner.run(self._subscription.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def acknowledge(self) -> None:
        """Say now that the record in hand is handled, and save."""
        self._runner.run(self._subscription.acknowledge())

    def close(self) -> None:
        """Close the connections and the loop; closing again does nothing."""
        try:
            self._runner.run(self._subscription.aclose())
        except RuntimeError:
            return
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _twin(source: Callable[P, Subscription[E]]) -> Callable[P, SyncSubscription[E]]:
    def open_sync(*args: P.args, **kwargs: P.kwargs) -> SyncSubscription[E]:
        return SyncSubscription(lambda: source(*args, **kwargs))

    open_sync.__doc__ = f"`{source.__name__}` for those without asyncio, with the same arguments."
    return open_sync


subscribe_sync = _twin(subscribe)
outcomes_sync = _twin(outcomes)
