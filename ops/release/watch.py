"""Watching a challenger until it wins or loses, and acting on it where the policy says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from redis.exceptions import RedisError

from contracts.errors import UnavailableError
from offline.registry import Lineup
from offline.shadow import Comparison, compare
from ops.release.actions import Releases
from ops.release.errors import ReleaseRefusedError
from ops.release.judged import updated_ledger
from ops.release.requirements import unmet
from ops.settings import Settings

Policy = Literal["manual", "automatic"]
BY = "policy automatic"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was last looked at: the same again is not told again."""

    pair: tuple[str, str] | None = None
    settled_until: int = -1
    comparison: Comparison | None = None
    told: str = ""


class Watch:
    """One look after another; nothing is kept but what was told, so it may be ended and begun at any time."""

    def __init__(self, settings: Settings, client: Any, policy: Policy, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._client = client
        self._policy = policy
        self._tell = tell
        self._releases = Releases(settings, client)
        self._seen = Seen()

    def look(self) -> None:
        """Bring the comparison up to date, tell what is new, and promote or withdraw if it is time.

        A server or registry that does not answer is told once and asked again at the next look.
        """
        try:
            done = self._releases.complete()
            if done is not None:
                self._tell(f"completed a {done.action} to {done.to_bundle} that was cut off")
            self._judge(self._releases.lineup())
        except (UnavailableError, RedisError) as error:
            self._once(f"waiting: {error}")
        except ReleaseRefusedError as error:
            self._once(f"not done: {error}")

    def _judge(self, lineup: Lineup) -> None:
        ledger = updated_ledger(self._settings, self._client, lineup)
        if ledger is None or lineup.challenger is None:
            self._once("no challenger in shadow; waiting for one")
            return
        pair = (ledger.champion, ledger.challenger)
        if pair != self._seen.pair or ledger.settled_until != self._seen.settled_until:
            comparison = compare(ledger, self._settings.release.alpha)
            self._seen = replace(
                self._seen, pair=pair, settled_until=ledger.settled_until, comparison=comparison
            )
            self._once(str(comparison))
        comparison_now = self._seen.comparison
        if comparison_now is not None and self._policy == "automatic":
            self._act(lineup, comparison_now)

    def _act(self, lineup: Lineup, comparison: Comparison) -> None:
        rival = lineup.challenger
        if rival is None or comparison.verdict == "undecided":
            return
        if comparison.verdict == "lose":
            self._releases.withdraw(by=BY, why=str(comparison))
            self._tell(f"withdrew {rival.label}")
            return
        if reasons := unmet(self._settings, rival):
            self._once(f"{rival.label} has won and is not promoted: {'; '.join(reasons)}")
            return
        self._releases.promote(by=BY, why=str(comparison), expected=rival.version)
        self._tell(f"promoted {rival.label}")

    def _once(self, told: str) -> None:
        if told != self._seen.told:
            self._tell(told)
            self._seen = replace(self._seen, told=told)
