"""All alerts, and the file of rules that Prometheus reads."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import yaml

from ops.monitoring.alert import RUNBOOK, Alert
from ops.monitoring.quality import QUALITY
from ops.monitoring.serving import SERVING

ALERTS: tuple[Alert, ...] = (*SERVING, *QUALITY)

GROUPS: tuple[tuple[str, tuple[Alert, ...]], ...] = (("bands.serving", SERVING), ("bands.quality", QUALITY))


def rules_yaml(runbooks: str = RUNBOOK, *, every: str | None = None, lasting: str | None = None) -> str:
    """The rules, each with where its threshold comes from.

    `every` sets how often they are evaluated, `lasting` how long each must hold, instead of its own.
    """
    parts = ["groups:"]
    for name, alerts in GROUPS:
        parts += ["", f"  - name: {name}"]
        if every is not None:
            parts.append(f"    interval: {every}")
        parts.append("    rules:")
        for alert in alerts:
            parts += ["", *_commented(alert), textwrap.indent(_rule(alert, runbooks, lasting), " " * 6)]
    return "\n".join(line.rstrip() for line in "\n".join(parts).splitlines()) + "\n"


def named(name: str) -> Alert:
    """The alert of that name; raises KeyError for a name there is none of."""
    return {alert.name: alert for alert in ALERTS}[name]


def _commented(alert: Alert) -> Sequence[str]:
    return textwrap.wrap(alert.why, 100, initial_indent=" " * 6 + "# ", subsequent_indent=" " * 6 + "# ")


def _rule(alert: Alert, runbooks: str, lasting: str | None) -> str:
    rule = alert.to_rule(runbooks) | ({} if lasting is None else {"for": lasting})
    return yaml.safe_dump([rule], sort_keys=False, width=100, allow_unicode=True)
