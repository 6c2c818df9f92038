"""The quality gates, check by check, as their report tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.report.document import Block, Paragraph, Section, Table
from offline.report.evidence import Evidence
from offline.report.sources import same_bundle
from offline.report.text import NOTHING

TITLE = "Quality gates"
NOT_GIVEN = "Not given: quality_gates_report.json of bands gates (option --gates). No gate was judged here."
_OWN_COLUMNS = {"name", "title", "status", "horizon", "source"}


def gates_section(evidence: Evidence) -> Section:
    """Each gate's status and each check with its evidence; plainly nothing when there is no report."""
    told = evidence.gates
    if told is None:
        return Section(TITLE, [Paragraph(NOT_GIVEN, notice=True)])
    blocks: list[Block] = []
    if same_bundle(told.data, evidence.bundle.sha256 if evidence.bundle else None) is None:
        blocks.append(
            Paragraph("It can not be said whether the gates report is about the bundle given.", notice=True)
        )
    gates = [gate for gate in told.data.get("gates", []) if isinstance(gate, Mapping)]
    tag = told.source.tag
    blocks.append(
        Table(
            "The gates",
            ["gate", "status"],
            [[_title(gate), _said(gate.get("status"))] for gate in gates],
            "ll",
            f"{tag} gates",
            "Go-live needs three of four, and CV quality and technical always.",
        )
    )
    checks = [
        [_title(gate), *_cells(check)]
        for gate in gates
        for check in gate.get("checks", [])
        if isinstance(check, Mapping)
    ]
    if checks:
        headings = ["gate", "check", "horizon", "status", "evidence", "file"]
        blocks.append(Table("Every check", headings, checks, "llllll", f"{tag} gates[].checks"))
    kpis = [_cells(kpi) for kpi in told.data.get("kpis", []) if isinstance(kpi, Mapping)]
    if kpis:
        headings = ["figure", "horizon", "status", "evidence", "file"]
        blocks.append(Table("Key figures as the gates judged them", headings, kpis, "lllll", f"{tag} kpis"))
    return Section(TITLE, blocks)


def _title(gate: Mapping[str, Any]) -> str:
    return _said(gate.get("title") or gate.get("name"))


def _cells(check: Mapping[str, Any]) -> list[str]:
    name, horizon, status, source = (_said(check.get(key)) for key in ("name", "horizon", "status", "source"))
    return [name, horizon, status, _evidence(check), source]


def _evidence(check: Mapping[str, Any]) -> str:
    """Its detail, or all that it says besides."""
    if isinstance(detail := check.get("detail"), str) and detail:
        return detail
    more = {k: v for k, v in check.items() if k not in _OWN_COLUMNS and v not in (None, "", {}, [])}
    return "; ".join(f"{key} {_said(value)}" for key, value in more.items()) or NOTHING


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    if isinstance(value, float):
        return f"{value:.5g}"
    return NOTHING if value is None else str(value)
