"""What happens in a live-like system, told on one screen."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.events import Band, DriftAlert
from contracts.topics import Topics
from ops.console import out
from ops.demo.live.system import LiveSystem

TOPICS = Topics()
LOOK_S = 0.5
ALERTS_SHOWN = 4


@dataclass(slots=True)
class Seen:
    """What has been seen: bars and bands so far, the newest band of each symbol, every drift alert."""

    bars: int = 0
    bands: int = 0
    newest: dict[str, Band] = field(default_factory=dict)
    alerts: list[DriftAlert] = field(default_factory=list)
    requests: int = 0
    _after: str = "0"
    _alerts_after: str = "0"

    def look(self, client: Any) -> None:
        """Read what is new."""
        for entry, fields in client.xrange(TOPICS.bands(42), min=f"({self._after}", count=5_000):
            self._after = entry.decode()
            band = Band.from_wire(fields[b"data"])
            if band.is_band:
                self.bands += 1
                self.newest[band.symbol] = band
        for entry, fields in client.xrange(TOPICS.drift, min=f"({self._alerts_after}"):
            self._alerts_after = entry.decode()
            self.alerts.append(DriftAlert.from_wire(fields[b"data"]))
        self.bars = client.xlen(TOPICS.bars)
        self.requests = client.xlen(TOPICS.retrain)


def watch(system: LiveSystem, *, until_alert: bool = False, seconds: float | None = None) -> Seen:
    """Show the system until Ctrl-C, or the first alert, or `seconds` have passed; what was seen.

    Raises:
        UnavailableError: one of its processes has ended.
    """
    seen, deadline = Seen(), None if seconds is None else time.monotonic() + seconds
    with Redis.from_url(system.url) as client, Live(console=out, auto_refresh=False) as live:
        try:
            while True:
                seen.look(client)
                serving = {part.name: part.serves() for part in system.parts}
                live.update(_screen(system, seen, serving), refresh=True)
                if (until_alert and seen.alerts) or (deadline is not None and time.monotonic() > deadline):
                    break
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            pass
    return seen


def _screen(system: LiveSystem, seen: Seen, serving: dict[str, bool]) -> RenderableType:
    parts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for part in system.parts:
        state = Text("serves", "green") if serving[part.name] else Text("does not serve", "bold red")
        parts.add_row(f"bands {part.name}", state, part.page)
    told: list[RenderableType] = [
        parts,
        Text(f"{seen.bars:,} bars in, {seen.bands:,} bands out at T42; the page: {system.dashboard}"),
    ]
    for symbol, band in sorted(seen.newest.items()):
        if band.prices is not None:
            at = band.prices
            told.append(
                Text(
                    f"{symbol} {band.issued_at:%Y-%m-%d %H:%M} at {band.ref_price:,.2f}; in 7 days "
                    f"90 %: {at.q05:,.2f} to {at.q95:,.2f}, 50 %: {at.q25:,.2f} to {at.q75:,.2f}"
                )
            )
    told += [
        Text(f"{alert.severity} {alert.at:%Y-%m-%d %H:%M} {alert.evidence}", "bold yellow")
        for alert in seen.alerts[-ALERTS_SHOWN:]
    ]
    if seen.requests:
        told.append(Text(f"{seen.requests} requests to retrain on {TOPICS.retrain}", "yellow"))
    return Group(*told)
