"""Findings as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from ops.console import out
from ops.deployment.finding import Finding, verdict

COLOURS = {"pass": "green", "warn": "yellow", "fail": "bold red", "unknown": "yellow"}


def show(title: str, findings: Sequence[Finding]) -> None:
    """Print a line for each finding, and the verdict."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("what", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("evidence and what to do", overflow="fold")
    for one in findings:
        told = escape(one.evidence) + (
            f"\n→ {escape(one.advice)}" if one.advice and one.status != "pass" else ""
        )
        table.add_row(one.name, f"[{COLOURS[one.status]}]{one.status}[/]", told)
    out.print(table)
    counts = {status: sum(one.status == status for one in findings) for status in COLOURS}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    out.print(f"[{COLOURS[verdict(findings)]}]{verdict(findings)}[/]: {told}", highlight=False)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Verdict and findings."""
    return {"verdict": verdict(findings), "findings": [one.to_json() for one in findings]}
