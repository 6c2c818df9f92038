"""One alert: when it fires, who hears of it, what it means, and where its threshold comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["page", "ticket"]
"""page: bands are missing or wrong now, somebody is woken. ticket: somebody looks within a day."""

RUNBOOK = "docs/runbooks/alerts.md"
"""The runbook, relative to the project; `#` and the alert's name in lower case is its section."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A Prometheus alerting rule. `why` derives the threshold; `lasting` is how long `expr` must hold."""

    name: str
    severity: Severity
    expr: str
    lasting: str
    summary: str
    description: str
    why: str

    def to_rule(self, runbooks: str) -> dict[str, Any]:
        """The rule as JSON types; `runbooks` is the address of the runbook's page."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbooks}#{self.name.lower()}",
            },
        }
