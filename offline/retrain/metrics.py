"""What Prometheus is told."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()

RUNS = Counter("bands_retrain_runs", "Requests ended, by final stage.", ["stage"], registry=REGISTRY)
RESUMES = Counter("bands_retrain_resumes", "Runs gone on with after an interruption.", registry=REGISTRY)
ARCHIVED = Counter("bands_retrain_archived_bars", "Bars added to the archive.", registry=REGISTRY)
READY = Gauge("bands_retrain_ready", "1 while requests are served, 0 while not.", registry=REGISTRY)
WAITING = Gauge("bands_retrain_waiting_entries", "Requests without a final status.", registry=REGISTRY)
RUNNING = Gauge("bands_retrain_running", "1 while a run is in progress.", registry=REGISTRY)
PROGRESS = Gauge("bands_retrain_progress", "Progress of the run, 0 to 1.", registry=REGISTRY)
