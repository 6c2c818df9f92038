"""One audit: every partition told again and compared, the future shut out, the warm-up measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.model.bundle import Bundle
from contracts.model.candle import History
from contracts.model.grid import close_time
from offline.dataset import Progress as OnProgress
from offline.dataset import no_progress
from ops.audit.batch import history_of
from ops.audit.before import BeginningGoneError, whole_history
from ops.audit.differences import Compared, Difference, compare_latest, compare_stream
from ops.audit.folded import compare_state
from ops.audit.ledger import Ledger
from ops.audit.look_ahead import Proof, prove
from ops.audit.retell import Retold, retell
from ops.audit.served import Kept, Served, letter_of
from ops.audit.swaps import Schedule, order
from ops.audit.warm_up import WarmUp, measure


@dataclass(frozen=True, slots=True)
class Audited:
    """One partition: what was compared, what was proven, and why not where it was not (`unproven`)."""

    partition: int
    bars: int
    from_files: int = 0
    swaps: int = 0
    bundles: tuple[str, ...] = ()
    seconds: float = 0.0
    compared: tuple[Compared, ...] = ()
    proof: Proof = field(default_factory=Proof)
    warm_up: WarmUp = field(default_factory=lambda: WarmUp(0))
    unproven: str = ""

    @property
    def differing(self) -> int:
        """How many records, fields and values differ."""
        return sum(one.differing for one in self.compared) + self.proof.differing

    @property
    def differences(self) -> list[Difference]:
        """The differences kept in words."""
        return [d for one in self.compared for d in one.differences] + self.proof.differences

    @property
    def bars_per_second(self) -> float:
        """How fast it was told again."""
        return self.bars / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "partition": self.partition,
            "bars": self.bars,
            "bars_from_files": self.from_files,
            "swaps": self.swaps,
            "bundles": list(self.bundles),
            "bars_per_second": round(self.bars_per_second, 1),
            "equal": not self.differing and not self.unproven,
            "differing": self.differing,
            "unproven": self.unproven or None,
            "differences": [
                {name: getattr(one, name) for name in Difference.__slots__} for one in self.differences
            ],
            "streams": [one.to_json() for one in self.compared],
            "look_ahead": self.proof.to_json(),
            "warm_up": self.warm_up.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Depth:
    """How much to prove: random cuts of the future, and later starts of the warm-up; 0 leaves one out."""

    cuts: int = 3
    starts: int = 4


def audit(
    served: Served,
    folders: Mapping[str, Path],
    histories: Sequence[History] = (),
    depth: Depth = Depth(),
    progress: OnProgress = no_progress,
) -> Audited:
    """Recompute one partition and compare it with what it kept.

    `folders` are bundle folders by sha256, `histories` files of bars from before the stream's beginning.

    Raises:
        MissingBundleError: a bundle that answered is not among `folders`.
        BundleError: a folder does not verify.
    """
    topics, schedule = served.topics, Schedule.of(served.swaps)
    try:
        entries, bundles = whole_history(served, folders, histories)
    except BeginningGoneError as error:
        return Audited(topics.partition, len(served.bars), swaps=len(served.swaps), unproven=str(error))
    older = len(entries) - len(served.bars)
    retold, ledger = Retold(), Ledger(topics)
    began = time.perf_counter()
    for done, told in enumerate(retell(entries, served.swaps, bundles, topics), 1):
        retold.add(told)
        ledger.add(told)
        if done % 50 == 0 or done == len(entries):
            progress("telling again", done, len(entries))
    seconds = time.perf_counter() - began
    known = {one.symbol: one for one in histories}
    proof = Proof()
    if depth.cuts and ledger.lives:
        proof, _ = prove(ledger, known, cuts=depth.cuts, progress=progress)
    warm_up = WarmUp(0, why_not="not asked for")
    if depth.starts and (bundle := _last(schedule, bundles)) is not None:
        whole = _extended(known, ledger)
        warm_up = measure(whole, bundle, starts=depth.starts, progress=progress)
    return Audited(
        topics.partition,
        len(entries),
        older,
        len(served.swaps),
        tuple(one.label for one in bundles.values()),
        seconds,
        _compared(served, retold, served.bars[0][0] if older and served.bars else ""),
        proof,
        warm_up,
    )


def _compared(served: Served, retold: Retold, since: str) -> tuple[Compared, ...]:
    topics, found = served.topics, list[Compared]()
    for name, kept in served.outputs.items():
        told = list(zip(retold.sources.get(name, ()), retold.streams.get(name, ()), strict=True))
        if name == topics.retrain:
            kept = _workers_own(kept)
        if name == topics.dead and since:
            kept, told = _letters_since(kept, since), [one for one in told if order(one[0]) >= order(since)]
        if kept.entries or told:
            found.append(compare_stream(name, kept, told))
    found.append(compare_latest(topics, served.latest, retold.latest))
    found.append(compare_state(topics.state, served.state, retold.fields))
    return tuple(found)


def _workers_own(kept: Kept) -> Kept:
    """Without the requests of others, who share the stream."""
    entries = tuple(one for one in kept.entries if b'"requested_by":"worker"' in one[1])
    return Kept(entries, kept.added - len(kept.entries) + len(entries))


def _letters_since(kept: Kept, since: str) -> Kept:
    """Without the letters about entries that the stream has let go of."""
    letters = [(one, letter_of(one[1])) for one in kept.entries]
    entries = tuple(one for one, letter in letters if letter is None or order(letter.entry) >= order(since))
    return Kept(entries, len(entries))


def _last(schedule: Schedule, bundles: Mapping[str, Bundle]) -> Bundle | None:
    champions = [swap.champion for swap in schedule.swaps if swap.champion is not None]
    return next((bundles[one[0]] for one in reversed(champions) if one[0] in bundles), None)


def _extended(known: Mapping[str, History], ledger: Ledger) -> list[History]:
    """Each symbol's bars in files up to where the worker began, and those it folded."""
    whole = []
    for symbol, parts in ledger.stretches.items():
        folded = [candle for part in parts for candle in part.candles]
        past = known[symbol].between(None, close_time(folded[0].open_time) - 1) if symbol in known else None
        whole.append(history_of(symbol, [*(past.candles() if past is not None else ()), *folded]))
    return whole
