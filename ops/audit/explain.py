"""One band, or one missing band: where it is, why it is what it is, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from contracts.errors import BadInputError
from contracts.events import Band, DeadLetter, Outcome
from contracts.model.bundle import BundleError, load_bundle
from contracts.model.candle import History
from contracts.model.grid import BAR_SECONDS, iso
from contracts.model.snapshot import SnapshotError
from offline.dataset import Progress as OnProgress
from offline.dataset import no_progress
from ops.audit.again import tell_until
from ops.audit.anatomy import Anatomy, take_apart
from ops.audit.before import BeginningGoneError
from ops.audit.letters import about
from ops.audit.reasons import DEAD, NO_BAND
from ops.audit.served import Served, letter_of
from ops.audit.swaps import MissingBundleError, Schedule, Swap
from worker import store
from worker.arrival import read_entry
from worker.lineup import share_of

Matched = Literal["open time", "issue time", "latest"]


@dataclass(slots=True)
class Explained:
    """What was found. `record` None: no record, and `missing` says so in words.

    `source` says where the record is from. `anatomy` None: `why_not`.
    """

    symbol: str
    horizon: int
    matched: Matched
    opened: int | None = None
    record: Band | None = None
    source: str = ""
    missing: str = ""
    role: str = ""
    learnt: int | None = None
    anatomy: Anatomy | None = None
    why_not: str = ""
    outcome: Outcome | None = None
    shadow: Band | None = None
    letters: list[DeadLetter] = field(default_factory=list)

    @property
    def reason(self) -> tuple[str, str] | None:
        """What the reason of a missing band means, and what to do."""
        return NO_BAND[self.record.reason] if self.record is not None and self.record.reason else None

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        reason = self.reason

        def plain(one: Band | Outcome | None) -> Any:
            return json.loads(one.to_wire()) if one is not None else None

        return {
            "symbol": self.symbol,
            "horizon_bars": self.horizon,
            "matched": self.matched,
            "open_time": iso(self.opened) if self.opened is not None else None,
            "record": plain(self.record),
            "source": self.source or None,
            "missing": self.missing or None,
            "meaning": reason[0] if reason else None,
            "what_to_do": reason[1] if reason else None,
            "role": self.role or None,
            "labels_learnt": self.learnt,
            "anatomy": self.anatomy.to_json() if self.anatomy else None,
            "no_anatomy_because": self.why_not or None,
            "outcome": plain(self.outcome),
            "shadow": plain(self.shadow),
            "dead_letters": [
                {**json.loads(one.to_wire()), "what_to_do": DEAD[one.reason]} for one in self.letters
            ],
        }


def explain(
    served: Served,
    symbol: str,
    moment: int | None,
    horizon: int,
    folders: Mapping[str, Path],
    histories: Sequence[History] = (),
    progress: OnProgress = no_progress,
) -> Explained:
    """Explain the band of `symbol` whose bar opened, or that was issued, at `moment`.

    That is in epoch seconds; None is the latest.

    Raises:
        BadInputError: nothing was ever heard of the symbol.
    """
    topics = served.topics
    records = _records(served, topics.bands(horizon), symbol)
    letters = [(name[1], one) for one in _letters(served) if (name := about(one)) and name[0] == symbol]
    in_stream, newest = set(records), served.latest.get((symbol, horizon))
    if newest is not None:
        records.setdefault(*_named(Band.from_wire(newest)))
    if not records and not letters:
        known = ", ".join(_symbols(served, horizon)) or "none at all"
        raise BadInputError(
            f"expected a symbol that bars came of, found {symbol}; {topics.bars} and its records know {known}"
        )
    opened, matched = _match(moment, {*records, *(at for at, _ in letters)})
    found = Explained(symbol, horizon, matched, opened)
    found.letters = [one for at, one in letters if at == opened]
    record = records.get(opened) if opened is not None else None
    found.source = topics.bands(horizon) if opened in in_stream else topics.latest(symbol)
    if record is None and moment is not None and not found.letters:
        record = _recomputed(found, moment, served, folders, histories, progress)
    if record is None:
        found.source = ""
        _absent(found, served, records, moment)
        return found
    found.record = record
    found.shadow = _records(served, topics.shadow(horizon), symbol).get(int(record.open_time.timestamp()))
    _outcomes(found, served, record)
    swap = _swap_of(record, served)
    found.role = _role(record, swap)
    if record.is_band:
        _anatomise(found, record, swap, served, folders, histories, progress)
    return found


def _recomputed(
    found: Explained,
    moment: int,
    served: Served,
    folders: Mapping[str, Path],
    histories: Sequence[History],
    progress: OnProgress,
) -> Band | None:
    """The record that the server let go of, told again where the bars for it are still at hand."""
    if served.outputs[served.topics.bands(found.horizon)].is_whole:
        return None
    for opened, matched in ((moment, "open time"), (moment - BAR_SECONDS, "issue time")):
        try:
            told = tell_until(served, found.symbol, opened, found.horizon, folders, histories, progress)
        except (BeginningGoneError, MissingBundleError):
            return None
        if told is not None:
            found.opened, found.source = opened, "no stream any more: recomputed"
            found.matched = "open time" if matched == "open time" else "issue time"
            return told[0]
    return None


def _records(served: Served, stream: str, symbol: str) -> dict[int, Band]:
    """A stream's records of one symbol by opening time, the oldest first."""
    mark = f'"symbol":"{symbol}"'.encode()
    payloads = served.outputs[stream].payloads if stream in served.outputs else []
    return dict(_named(Band.from_wire(one)) for one in payloads if mark in one)


def _named(record: Band) -> tuple[int, Band]:
    return int(record.open_time.timestamp()), record


def _letters(served: Served) -> list[DeadLetter]:
    payloads = served.outputs[served.topics.dead].payloads
    return [one for payload in payloads if (one := letter_of(payload)) is not None]


def _symbols(served: Served, horizon: int) -> list[str]:
    payloads = served.outputs[served.topics.bands(horizon)].payloads
    return sorted({json.loads(one)["symbol"] for one in payloads} | {symbol for symbol, _ in served.latest})


def _match(moment: int | None, known: set[int]) -> tuple[int | None, Matched]:
    if moment is None:
        return max(known), "latest"
    if moment not in known and moment - BAR_SECONDS in known:
        return moment - BAR_SECONDS, "issue time"
    return moment, "open time"


def _absent(found: Explained, served: Served, records: Mapping[int, Band], moment: int | None) -> None:
    """Say what is known of a moment that has no record."""
    if found.letters:
        found.missing = "The bar came and was refused, so there is no record of it."
        return
    asked = moment if moment is not None else 0
    before = max((at for at in records if at < asked), default=None)
    after = min((at for at in records if at > asked), default=None)
    told = f"No bar of {found.symbol} that opened or closed at {iso(asked)} was answered"
    if not served.outputs[served.topics.bands(found.horizon)].is_whole and before is None:
        found.missing = f"{told}, or its record was trimmed: the oldest kept is of {iso(after or 0)}."
    elif before is None:
        found.missing = f"{told}: the first bar that came opened at {iso(after or 0)}."
    elif after is None:
        found.missing = f"{told}: the newest bar that came opened at {iso(before)}. Is the feed running?"
    else:
        gap = (after - before) // BAR_SECONDS - 1
        found.missing = (
            f"{told}: it never came. The bars around it opened at {iso(before)} and {iso(after)}; the {gap} "
            "missing between them were bridged flat, or made the symbol warm up again when too many (see the "
            "record after them)."
        )


def _outcomes(found: Explained, served: Served, record: Band) -> None:
    """The band's outcome, and how many labels its bundle had learnt from when it was issued."""
    learnt = 0
    for payload in served.outputs[served.topics.outcomes(found.horizon)].payloads:
        if f'"symbol":"{found.symbol}"'.encode() not in payload:
            continue
        one = Outcome.from_wire(payload)
        if one.issued_at == record.issued_at:
            found.outcome = one
        said = one.bundle == record.bundle or (one.shadow is not None and one.shadow.bundle == record.bundle)
        learnt += said and one.status == "resolved" and one.target_time <= record.issued_at
    found.learnt = learnt if record.is_band else None


def _swap_of(record: Band, served: Served) -> Swap | None:
    """The newest lineup that the record's bundle was in and that was in force for a bar this old."""
    schedule = Schedule.of(served.swaps)
    entry = _entry_of(record, served)
    if entry is not None:
        return schedule.at(entry)
    named = [one for one in schedule.swaps if any(label == record.bundle for _, label, _ in one.bundles)]
    return named[-1] if named else None


def _entry_of(record: Band, served: Served) -> str | None:
    mark, when = record.symbol.encode(), int(record.open_time.timestamp())
    for entry, fields in served.bars:
        if fields is None or not any(mark in value for value in fields.values()):
            continue
        content = read_entry(entry, fields, float("inf")).content
        candle = getattr(content, "candle", None)
        if (
            candle is not None
            and candle.open_time == when
            and getattr(content, "symbol", "") == record.symbol
        ):
            return entry
    return None


def _role(record: Band, swap: Swap | None) -> str:
    if swap is None or record.bundle is None:
        return "no lineup is on record for it"
    rival = swap.challenger
    if rival is None:
        return "champion"
    if record.bundle == rival[1]:
        champion = swap.champion[1] if swap.champion else "no bundle"
        return (
            f"challenger, serving {swap.share:.0%} of the symbols for real ({record.symbol} stands at "
            f"{share_of(record.symbol):.3f}); the champion {champion} shadows it"
        )
    return f"champion, shadowed by {rival[1]}"


def _anatomise(
    found: Explained,
    record: Band,
    swap: Swap | None,
    served: Served,
    folders: Mapping[str, Path],
    histories: Sequence[History],
    progress: OnProgress,
) -> None:
    """Take the band apart: from the kept state where its bar is the newest, else by telling all again."""
    sha256 = next((sha for sha, label, _ in (swap.bundles if swap else ()) if label == record.bundle), None)
    if sha256 is None or sha256 not in folders:
        found.why_not = str(MissingBundleError(sha256 or "unknown", str(record.bundle)))
        return
    try:
        bundle = load_bundle(folders[sha256], accelerate=False)
        found.anatomy = take_apart(record, store.state_of(served.state), bundle, folders[sha256])
    except (SnapshotError, BundleError) as error:
        found.why_not = str(error)
    if found.anatomy is not None and found.anatomy.equal:
        return
    opened = int(record.open_time.timestamp())
    try:
        told = tell_until(served, record.symbol, opened, found.horizon, folders, histories, progress)
    except (BeginningGoneError, MissingBundleError) as error:
        found.why_not = str(error)
        return
    if told is not None:
        found.anatomy = take_apart(record, told[1], bundle, folders[sha256])
    if found.anatomy is None:
        found.why_not = "the bars kept do not lead to this record again; `bands audit` tells where they part"
