"""What Prometheus is told beyond FastStream's own counts of received messages.

Labels are bounded: reasons, channels and answers are closed sets, and symbols are those a bundle in force
serves. The costliest family has one series for each symbol, horizon and quantile: 4,000 at 200 symbols.
Counters with closed labels begin at 0, since Prometheus sees no increase in a series that is born at 1.
"""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from contracts.events import DeadReason, NoBandReason
from contracts.model.grid import HORIZONS
from contracts.topics import Topics
from worker.commit import Answer

REGISTRY = CollectorRegistry()
PROCESS = ProcessCollector(registry=REGISTRY)
"""Memory, CPU and open files from /proc; silent where there is none."""

INFO = Gauge(
    "bands_worker_info",
    "The worker's release and partition.",
    ["version", "partition", "partitions"],
    registry=REGISTRY,
)
STARTED = Gauge("bands_started_seconds", "When the process started, Unix time.", registry=REGISTRY)
MEMORY = Gauge(
    "bands_memory_bytes", "Resident memory; its peak where the system tells no more.", registry=REGISTRY
)

COMMITS = Counter("bands_commits", "Commit script answers.", ["answer"], registry=REGISTRY)
EVENTS = Counter("bands_events", "Entries appended, by stream.", ["stream"], registry=REGISTRY)
BARS = Counter(
    "bands_bars",
    "Entries taken into effect, by the bar's origin; `context` is a leader's copy, `refused` no bar.",
    ["origin"],
    registry=REGISTRY,
)
RECORDS = Counter(
    "bands_records",
    "Published records, by horizon: bands, and by reason the bars that got none.",
    ["horizon", "status", "reason"],
    registry=REGISTRY,
)
DEGRADED = Counter(
    "bands_degraded",
    "Published bands that are less certain than usual, by cause.",
    ["cause"],
    registry=REGISTRY,
)
DEAD = Counter("bands_dead_letters", "Rejected inputs, by reason.", ["reason"], registry=REGISTRY)
FINDINGS = Counter(
    "bands_drift_findings", "Drift findings, by symbol and channel.", ["symbol", "channel"], registry=REGISTRY
)
DRIFT = Gauge(
    "bands_drift_ratio",
    "How near a channel is to an alarm, the nearest of its horizons: 0 is nowhere, above 1 is one.",
    ["symbol", "channel"],
    registry=REGISTRY,
)

STEP_SECONDS = Histogram(
    "bands_step_seconds",
    "Time from a delivered run of bars to its commit.",
    registry=REGISTRY,
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
END_TO_END_SECONDS = Histogram(
    "bands_end_to_end_seconds",
    "Time from a live bar's entry on the stream to its bands' commit, by the server's clock.",
    registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0),
)

LAG = Gauge("bands_lag_entries", "Bars appended but not yet delivered.", registry=REGISTRY)
PENDING = Gauge("bands_pending_entries", "Bars delivered but not yet in effect.", registry=REGISTRY)
READY = Gauge("bands_ready", "1 while the worker serves, 0 while it does not.", registry=REGISTRY)
SERVER_UP = Gauge(
    "bands_server_up", "1 while the stream server answers, 0 since a call failed.", registry=REGISTRY
)
READER_FAILURES = Counter("bands_reader_failures", "Reads of the bars stream that failed.", registry=REGISTRY)
READER_SILENCE = Gauge(
    "bands_reader_silence_seconds", "Time since a read of the bars stream returned.", registry=REGISTRY
)
LEASE_EPOCH = Gauge("bands_lease_epoch", "Number of the lease held; 0 without one.", registry=REGISTRY)
LEASE_HELD = Gauge("bands_lease_held", "1 while the lease is ours for certain.", registry=REGISTRY)
NEWEST = Gauge(
    "bands_newest_bar_close_seconds",
    "When the newest bar in effect closed, Unix time; a dead feed makes it old.",
    registry=REGISTRY,
)
SYMBOL_NEWEST = Gauge(
    "bands_symbol_newest_bar_close_seconds",
    "The same of each symbol a bundle in force serves and this partition has seen.",
    ["symbol"],
    registry=REGISTRY,
)

COVERAGE = Gauge(
    "bands_coverage",
    "Share of outcomes of the last 90 days inside the interval of that per cent; they overlap.",
    ["symbol", "horizon", "interval"],
    registry=REGISTRY,
)
RESOLVED = Gauge(
    "bands_outcomes_resolved", "Outcomes of the last 90 days.", ["symbol", "horizon"], registry=REGISTRY
)
EFFECTIVE = Gauge(
    "bands_outcomes_effective",
    "Independent outcomes among them: at most one for each length of the horizon.",
    ["symbol", "horizon"],
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
BUNDLE_TRAINED = Gauge(
    "bands_bundle_trained_until_seconds",
    "When the newest bar a bundle in force was trained on closed, Unix time.",
    ["role"],
    registry=REGISTRY,
)
REGISTRY_POLLS = Counter(
    "bands_registry_polls",
    "Looks at the registry's aliases: ok, failed, or refused what they point at.",
    ["result"],
    registry=REGISTRY,
)
REGISTRY_SEEN = Gauge(
    "bands_registry_last_success_seconds", "When the registry last answered, Unix time.", registry=REGISTRY
)

ORIGINS = ("live", "replay", "backfill", "context", "refused")
CAUSES = ("bridged_bars", "extreme_bar", "leader_missing")


def begin(topics: Topics) -> None:
    """Bring every series of a closed set into being at 0."""
    for answer in Answer:
        COMMITS.labels(answer.value)
    said = [topics.drift, topics.retrain, topics.dead]
    for horizon in HORIZONS:
        RECORDS.labels(f"T{horizon}", "band", "")
        for reason in get_args(NoBandReason):
            RECORDS.labels(f"T{horizon}", "no_band", reason)
        said += [topics.bands(horizon), topics.outcomes(horizon)]
    for stream in said:
        EVENTS.labels(stream)
    for origin in ORIGINS:
        BARS.labels(origin)
    for cause in CAUSES:
        DEGRADED.labels(cause)
    for reason in get_args(DeadReason):
        DEAD.labels(reason)
    for result in ("ok", "failed", "refused"):
        REGISTRY_POLLS.labels(result)
