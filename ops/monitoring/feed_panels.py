"""The panels of the feed: what it sent, what the exchange refused or changed, how late it is."""

from __future__ import annotations

from ops.monitoring.panel import Panel, Query, one


def _counted(name: str, legend: str) -> Query:
    return Query(f"sum by (symbol) (increase(bands_feed_bars_{name}_total[$__rate_interval]))", legend)


FEED = (
    one(
        "Bars sent",
        "short",
        "sum by (origin) (increase(bands_feed_bars_sent_total[$__rate_interval]))",
        "{{origin}}",
    ),
    Panel(
        "Candles not as they should be",
        "short",
        (
            _counted("late", "late {{symbol}}"),
            _counted("missing", "missing {{symbol}}"),
            _counted("revised", "revised {{symbol}}"),
            _counted("refused", "refused {{symbol}}"),
        ),
        "A missing bar leaves a gap; a revised one was sent as it was before.",
    ),
    one(
        "Failed requests to the exchange",
        "short",
        "sum by (kind) (increase(bands_feed_exchange_errors_total[$__rate_interval]))",
        "{{kind}}",
    ),
    Panel(
        "Age of the newest bar sent",
        "s",
        (
            Query("bands_feed_newest_bar_age_seconds", "by the exchange's clock {{symbol}}"),
            Query("time() - bands_feed_newest_bar_close_seconds", "by ours {{symbol}}"),
        ),
        "Beyond 4 hours one is due.",
        bad_from=4.5 * 3600,
    ),
    one("Our clock less the exchange's", "s", "bands_feed_exchange_clock_lag_seconds"),
    Panel(
        "Lease and websocket",
        "short",
        (
            Query("bands_feed_lease_epoch", "lease number {{instance}}"),
            Query("bands_feed_websocket", "websocket {{instance}}"),
        ),
        "Number 0 is no lease: a standby.",
    ),
)
