"""Numbers, times and bands in words."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.events import Band

REASON_WORDS = {
    "warming_up": "it is still warming up: too few bars are known",
    "gap": "bars are missing, more than can be bridged",
    "backfill": "the bar was back-filled, and a band for the past helps nobody",
    "unknown_symbol": "the bundle in force was not trained on this symbol",
    "no_bundle": "no bundle is in force",
    "no_context": "the market leader's bars are missing",
    "uncalibrated": "the calibrator has too few scores for a finite band",
}


def price(value: float) -> str:
    """A price with as many digits as it carries.

    >>> price(63123.456), price(1.23456), price(0.00001234)
    ('63,123', '1.2346', '0.00001234')
    """
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.2f}"
    if abs(value) >= 1:
        return f"{value:.4f}"
    if value == 0:
        return "0"
    digits = 4
    while digits < 20 and abs(value) * 10**digits < 1_000:
        digits += 1
    return f"{value:.{digits}f}"


def moment(epoch_s: float) -> str:
    """A time to the minute.

    >>> moment(1704067200)
    '2024-01-01 00:00 UTC'
    """
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def span(seconds: float) -> str:
    """A length of time by its largest unit.

    >>> span(42), span(300), span(9_000), span(200_000)
    ('42 s', '5 min', '2.5 h', '2.3 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3_600:.1f} h"
    return f"{seconds / 86_400:.1f} days"


def size(count: float) -> str:
    """Bytes as MB or GB.

    >>> size(3_500_000), size(2.5e9)
    ('3.5 MB', '2.50 GB')
    """
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def days(horizon: int) -> str:
    """A horizon as a trader says it.

    >>> days(42)
    '7 days'
    """
    return f"{horizon / 6:g} days"


def sentence(band: Band) -> str:
    """One record in words: what is expected, how surely, and who says so."""
    closed = f"{band.symbol} closed at {price(band.ref_price)} on {moment(band.issued_at.timestamp())}"
    if band.prices is None:
        why = REASON_WORDS.get(str(band.reason), str(band.reason))
        detail = f" ({band.detail})" if band.detail else ""
        return f"{closed}. No {days(band.horizon_bars)} band: {why}{detail}."
    q = band.prices
    degraded = f" Degraded: {'; '.join(band.degraded)}." if band.degraded else ""
    return (
        f"{closed}. In {days(band.horizon_bars)}, on {moment(band.target_time.timestamp())}, it will be "
        f"between {price(q.q05)} and {price(q.q95)} with 90 %, between {price(q.q25)} and {price(q.q75)} "
        "with 50 %. "
        f"Bundle {band.bundle}.{degraded}"
    )
