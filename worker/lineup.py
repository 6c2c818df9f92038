"""Which bundles are in force, and which of them answers for a symbol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.model.bundle import Bundle
from contracts.model.context import KEPT_ROWS
from contracts.model.grid import BAR_SECONDS, iso


def share_of(symbol: str) -> float:
    """Where a symbol stands in [0, 1) for a split by symbol: the same everywhere and for ever.

    >>> round(share_of("BTCUSDT"), 3), round(share_of("ETHUSDT"), 3)
    (0.1, 0.494)
    """
    return int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8]) / 2**64


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """The champion, and the challenger that shadows it.

    A challenger serves the symbols below `share` for real, see `share_of`; there the champion is the shadow.
    `left_out` says why there is no challenger although there should be one.
    """

    champion: Bundle | None = None
    challenger: Bundle | None = None
    share: float = 0.0
    left_out: str | None = None

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        """Every bundle in force, the champion first."""
        return tuple(bundle for bundle in (self.champion, self.challenger) if bundle is not None)

    @property
    def key(self) -> tuple[str | None, str | None, float]:
        """What makes two lineups the same: the bundles' hashes and the share."""
        hashes = [one.sha256 if one is not None else None for one in (self.champion, self.challenger)]
        return hashes[0], hashes[1], self.share

    def __str__(self) -> str:
        told = f"{self.champion.label if self.champion else 'no bundle'} answers"
        rival = self.challenger
        return told + (f", shadowed by {rival.label} (share {self.share:g})," if rival else "")

    def serving(self, symbol: str) -> Bundle | None:
        """The bundle whose bands of `symbol` are published; None where no bundle is in force."""
        rival = self.challenger
        if rival is not None and symbol in rival.symbols and share_of(symbol) < self.share:
            return rival
        return self.champion

    def shadowing(self, symbol: str) -> Bundle | None:
        """The bundle whose bands of `symbol` go to the shadow streams, if any does."""
        served = self.serving(symbol)
        rival = self.champion if served is self.challenger else self.challenger
        return rival if rival is not None and symbol in rival.symbols else None

    def refusal(self, newest_open: int | None, tracked: Mapping[str, int]) -> str | None:
        """Why this lineup can not take over from what is folded, or None.

        `newest_open` is when the newest bar folded opened (None before the first), `tracked` the same of the
        newest row kept of each leader, epoch seconds.
        """
        for bundle in self.bundles:
            leader = bundle.spec.leader
            if leader is None or newest_open is None:
                continue
            reach = max(tracked.get(leader, -1), bundle.leader.last_open_time)
            if newest_open - reach > KEPT_ROWS * BAR_SECONDS:
                return (
                    f"expected rows of {bundle.label}'s leader {leader} within {KEPT_ROWS} bars of "
                    f"{iso(newest_open)}, found none since {iso(max(reach, 0))}; train it on bars up to now"
                )
        if self.champion is not None and self.challenger is not None:
            mine, other = (one.manifest.max_gap_bars for one in (self.champion, self.challenger))
            if mine != other:
                return (
                    f"expected both bundles to bridge gaps of up to {mine} bars, found {other} in "
                    f"{self.challenger.label}; one fold can not do both, train with max_gap_bars {mine}"
                )
        return None

    def record(self, after: str) -> str:
        """The record of a swap to this lineup: it applies to every entry after `after`."""
        told: dict[str, Any] = {"after": after}
        if self.champion is not None:
            told |= _told(self.champion)
        if self.challenger is not None:
            told |= {"challenger": _told(self.challenger), "share": self.share}
        return json.dumps(told, sort_keys=True)

    def is_on(self, record: str) -> bool:
        """Whether `record`, that of a swap or nothing, puts this lineup in force."""
        if not record:
            return False
        told = json.loads(record)
        return bool(told == json.loads(self.record(told["after"])))


def _told(bundle: Bundle) -> dict[str, Any]:
    return {"label": bundle.label, "sha256": bundle.sha256, "leader": bundle.spec.leader}
