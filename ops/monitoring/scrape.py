"""The configuration of Prometheus: what it scrapes, which rules it reads, whom it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

RULES = "bands.rules.yml"
WORKER_JOB, RETRAINER_JOB, FEED_JOB = "bands-worker", "bands-retrainer", "bands-feed"
TARGETS: Mapping[str, Sequence[str]] = {
    "workers": ("127.0.0.1:8100",),
    "retrainers": ("127.0.0.1:8101",),
    "feeds": ("127.0.0.1:8102",),
    "alertmanagers": ("127.0.0.1:9093",),
}
"""Where each is by default: one of each on this machine. Bars sent by something else: no feeds."""


def prometheus_yaml(interval: str = "15s", refresh: str = "1m") -> str:
    """Targets are read from `targets/*.yml` beside the file, again every `refresh`: add a worker there."""

    def files(name: str) -> list[dict[str, Any]]:
        return [{"files": [f"targets/{name}.yml"], "refresh_interval": refresh}]

    told = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval},
        "rule_files": [RULES],
        "alerting": {"alertmanagers": [{"file_sd_configs": files("alertmanagers")}]},
        "scrape_configs": [
            {"job_name": WORKER_JOB, "file_sd_configs": files("workers")},
            {"job_name": RETRAINER_JOB, "file_sd_configs": files("retrainers")},
            {"job_name": FEED_JOB, "file_sd_configs": files("feeds")},
        ],
    }
    return yaml.safe_dump(told, sort_keys=False, width=100)


def targets_yaml(addresses: Sequence[str]) -> str:
    """One file of targets, `host:port` each."""
    return yaml.safe_dump([{"targets": list(addresses)}], sort_keys=False)
