"""What stands above every view when something is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from contracts.model.grid import BAR_SECONDS
from ops.dashboard.probes import Probe
from ops.dashboard.words import moment, span

Kind = Literal["bad", "warn", "info"]
LONG_AGO_S = 2 * 86_400
"""From here on nobody waits for the next bar: the data simply ends."""


@dataclass(frozen=True, slots=True)
class Banner:
    """One line above the view. `bad` is red, `warn` amber, `info` calm."""

    kind: Kind
    words: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What banners are made from; times in epoch seconds."""

    now: float
    server_problem: str | None
    server_since: float
    loading: bool
    newest_close: int | None
    replayed: bool
    grace_s: float
    probes: Sequence[Probe] = ()
    warming: bool = False
    """Whether no record carries a band yet."""


def banners(situation: Situation) -> list[Banner]:
    """Everything to be told now, the worst first; empty when all is well."""
    found: list[Banner] = []
    if situation.server_problem is not None:
        since = f"since {moment(situation.server_since)}"
        known = "; what is shown was known before" if situation.newest_close is not None else ""
        words = f"The server that holds the streams is down {since}: {situation.server_problem}{known}."
        found.append(Banner("bad", words))
    found += [banner for probe in situation.probes if (banner := _of_probe(probe)) is not None]
    if (stale := _stale(situation)) is not None:
        found.append(stale)
    if situation.loading and situation.server_problem is None:
        found.append(Banner("info", "Older records are still being read; the newest are shown."))
    order = {"bad": 0, "warn": 1, "info": 2}
    return sorted(found, key=lambda one: order[one.kind])


def _of_probe(probe: Probe) -> Banner | None:
    if probe.ready:
        return None
    why = "; ".join(probe.problems) or "it does not say why"
    if not probe.name.startswith("worker"):
        # Without the retrainer or the feed's address there is still a band for every bar that comes.
        return None if probe.ready is None else Banner("warn", f"The {probe.name} is not ready: {why}.")
    if probe.ready is None:
        return Banner("bad", f"The {probe.name} at {probe.url} {why}: no bands are issued.")
    return Banner("bad", f"The {probe.name} is not ready: {why}.")


def _stale(situation: Situation) -> Banner | None:
    newest = situation.newest_close
    if newest is None:
        return None if situation.server_problem else Banner("info", "No bar has arrived yet.")
    age = situation.now - newest
    if age <= BAR_SECONDS + situation.grace_s:
        return None
    if situation.replayed:
        return Banner("info", f"Replayed data: it ends at {moment(newest)}.")
    if age > LONG_AGO_S:
        return Banner("warn", f"The data ends at {moment(newest)}, {span(age)} ago: no bar has come since.")
    return Banner(
        "warn", f"Stale: the newest bar closed at {moment(newest)}, {span(age)} ago; one is due every 4 h."
    )
