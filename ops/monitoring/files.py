"""Every generated file by its path in the folder of monitoring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contracts.files import write_atomic
from ops.monitoring.alert import RUNBOOK
from ops.monitoring.cases import cases_yaml
from ops.monitoring.grafana import dashboard_json, datasource_yaml, provider_yaml
from ops.monitoring.routing import PAGE_URL, TICKET_URL, alertmanager_yaml
from ops.monitoring.rules import rules_yaml
from ops.monitoring.scrape import RULES, TARGETS, prometheus_yaml, targets_yaml

MADE = "# Made by `python -m ops.monitoring`; change the lists there, not this file.\n"


def generated(
    targets: Mapping[str, Sequence[str]] = TARGETS,
    page_url: str = PAGE_URL,
    ticket_url: str = TICKET_URL,
    runbooks: str = RUNBOOK,
) -> dict[str, str]:
    """The content of each file."""
    texts = {
        "prometheus.yml": prometheus_yaml(),
        RULES: rules_yaml(runbooks),
        "bands.rules.test.yml": cases_yaml(),
        "bands.rules.long.test.yml": cases_yaml(long=True),
        "alertmanager.yml": alertmanager_yaml(page_url, ticket_url),
        "grafana/datasource.yml": datasource_yaml(),
        "grafana/provider.yml": provider_yaml(),
        **{f"targets/{name}.yml": targets_yaml(addresses) for name, addresses in targets.items()},
    }
    return {name: MADE + text for name, text in texts.items()} | {"grafana/bands.json": dashboard_json()}


def write(files: Mapping[str, str], folder: Path) -> Iterator[Path]:
    """Write each of them, in one piece, below `folder`."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
        yield path
