"""What Prometheus is told."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

REGISTRY = CollectorRegistry()
PROCESS = ProcessCollector(registry=REGISTRY)
"""Memory, CPU and open files from /proc; silent where there is none."""

FINAL = ("registered", "skipped", "failed")
STAGES = ("tuning", "training", "validating", "gates")

RUNS = Counter("bands_retrain_runs", "Requests ended, by final stage.", ["stage"], registry=REGISTRY)
RESUMES = Counter("bands_retrain_resumes", "Runs gone on with after an interruption.", registry=REGISTRY)
ARCHIVED = Counter("bands_retrain_archived_bars", "Bars added to the archive.", registry=REGISTRY)
READY = Gauge("bands_retrain_ready", "1 while requests are served, 0 while not.", registry=REGISTRY)
WAITING = Gauge("bands_retrain_waiting_entries", "Requests without a final status.", registry=REGISTRY)
RUNNING = Gauge("bands_retrain_running", "1 while a run is in progress.", registry=REGISTRY)
PROGRESS = Gauge("bands_retrain_progress", "Progress of the run, 0 to 1.", registry=REGISTRY)
STAGE = Gauge("bands_retrain_stage", "1 for the stage of the run in progress.", ["stage"], registry=REGISTRY)
STARTED = Gauge("bands_retrain_started_seconds", "When the process started, Unix time.", registry=REGISTRY)
LAST_SUCCESS = Gauge(
    "bands_retrain_last_success_seconds",
    "When a run last registered a challenger, Unix time; 0 when retrain.status knows of none.",
    registry=REGISTRY,
)


def begin(now_s: float) -> None:
    """Bring every series of a closed set into being at 0; `now_s` is Unix time."""
    for stage in FINAL:
        RUNS.labels(stage)
    for stage in STAGES:
        STAGE.labels(stage)
    STARTED.set(now_s)
