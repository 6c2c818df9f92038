"""What Prometheus is told beyond FastStream's own counts of received messages."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

COMMITS = Counter("bands_commits", "Commit script answers.", ["answer"], registry=REGISTRY)
EVENTS = Counter("bands_events", "Entries appended, by stream.", ["stream"], registry=REGISTRY)
STEP_SECONDS = Histogram(
    "bands_step_seconds",
    "Time from a delivered run of bars to its commit.",
    registry=REGISTRY,
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
LAG = Gauge("bands_lag_entries", "Bars appended but not yet delivered.", registry=REGISTRY)
PENDING = Gauge("bands_pending_entries", "Bars delivered but not yet in effect.", registry=REGISTRY)
READY = Gauge("bands_ready", "1 while the worker serves, 0 while it does not.", registry=REGISTRY)
NEWEST = Gauge(
    "bands_newest_bar_close_seconds",
    "When the newest bar in effect closed, Unix time; a dead feed makes it old.",
    registry=REGISTRY,
)
LEASE_EPOCH = Gauge("bands_lease_epoch", "Number of the lease held; 0 without one.", registry=REGISTRY)
COVERAGE = Gauge(
    "bands_coverage",
    "Share of outcomes of the last 90 days inside the interval of that per cent; they overlap.",
    ["symbol", "horizon", "interval"],
    registry=REGISTRY,
)
BELOW = Gauge(
    "bands_outcomes_below",
    "Share of outcomes of the last 90 days at or below the quantile; a calibrated band keeps its level.",
    ["symbol", "horizon", "quantile"],
    registry=REGISTRY,
)
WINKLER = Gauge(
    "bands_winkler_90",
    "Mean interval score of the 90 % band over the last 90 days, log-return units.",
    ["symbol", "horizon"],
    registry=REGISTRY,
)
PINBALL = Gauge(
    "bands_pinball",
    "Mean pinball loss of the five quantiles over the last 90 days, log-return units.",
    ["symbol", "horizon"],
    registry=REGISTRY,
)
BUNDLE = Gauge("bands_bundle_info", "The bundles in force.", ["label", "role"], registry=REGISTRY)
