"""What Prometheus is told of a feed."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()

SENT = Counter(
    "bands_feed_bars_sent", "Bars acknowledged by the server.", ["symbol", "origin"], registry=REGISTRY
)
LATE = Counter(
    "bands_feed_bars_late", "Bars the exchange did not have when first asked.", ["symbol"], registry=REGISTRY
)
MISSING = Counter(
    "bands_feed_bars_missing",
    "Bars the exchange still did not have after the grace; sent after all if they came before the next one.",
    ["symbol"],
    registry=REGISTRY,
)
REVISED = Counter(
    "bands_feed_bars_revised",
    "Bars the exchange changed after they were sent.",
    ["symbol"],
    registry=REGISTRY,
)
REFUSED = Counter(
    "bands_feed_bars_refused",
    "Closed candles that can not be bars, and were asked for again.",
    ["symbol"],
    registry=REGISTRY,
)
EXCHANGE_ERRORS = Counter(
    "bands_feed_exchange_errors", "Failed requests to the exchange.", ["kind"], registry=REGISTRY
)
READY = Gauge("bands_feed_ready", "1 while the feed is live, 0 while it is not.", registry=REGISTRY)
LEASE_EPOCH = Gauge("bands_feed_lease_epoch", "Number of the lease held; 0 without one.", registry=REGISTRY)
NEWEST = Gauge(
    "bands_feed_newest_bar_close_seconds",
    "When the newest bar sent closed, Unix time.",
    ["symbol"],
    registry=REGISTRY,
)
AGE = Gauge(
    "bands_feed_newest_bar_age_seconds",
    "Age of the newest bar sent by the exchange's clock; beyond 4 hours one is due.",
    ["symbol"],
    registry=REGISTRY,
)
CLOCK_LAG = Gauge(
    "bands_feed_exchange_clock_lag_seconds",
    "This machine's clock less the exchange's; the exchange's decides what is closed.",
    registry=REGISTRY,
)
WEBSOCKET = Gauge(
    "bands_feed_websocket", "1 while the exchange tells of closes by websocket.", registry=REGISTRY
)
