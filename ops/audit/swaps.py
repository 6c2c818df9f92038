"""The record of swaps, read: which lineup was in force for which entry."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import BadInputError
from contracts.model.bundle import Bundle
from worker.lineup import Lineup


class MissingBundleError(BadInputError):
    """A bundle that answered, and is not at hand to answer again."""

    def __init__(self, sha256: str, label: str) -> None:
        self.sha256 = sha256
        super().__init__(
            f"expected bundle {label} (sha256 {sha256}), which the record of swaps puts in force, found it "
            "neither among the folders given nor in the workspace; give its folder with --bundle, or fetch "
            "it from the registry into <workspace>/champions/" + sha256
        )


def order(entry: str) -> tuple[int, int]:
    """An entry id, comparable; an empty one comes before all.

    >>> order("") < order("5") < order("5-1") < order("10-0")
    True
    """
    ms, _, seq = (entry or "0-0").partition("-")
    return int(ms), int(seq or 0)


@dataclass(frozen=True, slots=True)
class Swap:
    """One record of `worker.swaps`: a lineup, in force for every entry after `after`.

    `champion` and `challenger` are (sha256, label, leader), None where there was none.
    """

    after: str
    champion: tuple[str, str, str | None] | None
    challenger: tuple[str, str, str | None] | None = None
    share: float = 0.0

    @classmethod
    def parse(cls, record: str) -> Swap:
        """Read what `Lineup.record` wrote.

        Raises:
            BadInputError: it is no such record.
        """
        try:
            told = json.loads(record)
            rival = told.get("challenger")
            return cls(
                str(told["after"]),
                (told["sha256"], told["label"], told.get("leader")) if "sha256" in told else None,
                (rival["sha256"], rival["label"], rival.get("leader")) if rival else None,
                float(told.get("share", 0.0)),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInputError(
                f"expected a record of a swap as the worker writes it, found {record[:200]!r}: {error!r}"
            ) from error

    @property
    def bundles(self) -> tuple[tuple[str, str, str | None], ...]:
        """Every bundle it puts in force, the champion first."""
        return tuple(one for one in (self.champion, self.challenger) if one is not None)

    def lineup(self, bundles: Mapping[str, Bundle]) -> Lineup:
        """The lineup of loaded bundles, by sha256.

        Raises:
            MissingBundleError: one of them is not among `bundles`.
        """
        for sha256, label, _ in self.bundles:
            if sha256 not in bundles:
                raise MissingBundleError(sha256, label)
        champion, challenger = (
            bundles[one[0]] if one is not None else None for one in (self.champion, self.challenger)
        )
        return Lineup(champion, challenger, self.share)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Swaps by the entry they follow; of several after one entry the last recorded is in force."""

    swaps: tuple[Swap, ...] = ()

    @classmethod
    def of(cls, records: Sequence[str]) -> Schedule:
        """The schedule that records in the order of their stream make.

        Raises:
            BadInputError: one of them can not be read.
        """
        last = {order(swap.after): swap for swap in map(Swap.parse, records)}
        return cls(tuple(last[after] for after in sorted(last)))

    def at(self, entry: str) -> Swap | None:
        """The swap in force for an entry, None before the first."""
        index = bisect_left(self.swaps, order(entry), key=lambda swap: order(swap.after))
        return self.swaps[index - 1] if index else None

    def needed(self, entries: Iterable[str]) -> dict[str, str]:
        """The bundles that answered these entries: label by sha256."""
        in_force = dict.fromkeys(swap for entry in entries if (swap := self.at(entry)) is not None)
        return {sha256: label for swap in in_force for sha256, label, _ in swap.bundles}
