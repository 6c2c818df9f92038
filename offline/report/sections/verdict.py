"""The verdict: what the quality gates decided, if they were about this bundle and this validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from offline.report.document import Block, Bullets, Paragraph, Section
from offline.report.evidence import Evidence
from offline.report.sections.kpis import missed_figures
from offline.report.sections.limits import COVERAGE_90, within
from offline.report.sources import cites_another, same_bundle
from offline.report.text import listed, percent, with_interval

GO, NO_GO, NOT_DECIDED = "GO", "NO-GO", "NOT DECIDED"


def verdict(evidence: Evidence) -> tuple[str, str]:
    """One of the three verdicts, and why."""
    gates = evidence.gates
    if gates is None:
        return NOT_DECIDED, f"The quality gates were not given. {_sign_off(evidence)}"
    bundle = evidence.bundle
    if same_bundle(gates.data, bundle.sha256 if bundle else None) is False:
        return (
            NOT_DECIDED,
            "The quality gates report is about another bundle than the one given. Run the gates on this one.",
        )
    if cites_another(gates.data, evidence.results_source):
        return NOT_DECIDED, (
            "The quality gates report was made from another results.json than the one given. Run the gates "
            "on these results."
        )
    if evidence.settings_agree is False:
        return NOT_DECIDED, (
            "The bundle was not trained as the walk-forward was: settings, symbols or leader differ, so "
            "these results say nothing about it. Validate with the bundle's settings."
        )
    go = gates.data.get("go")
    if not isinstance(go, bool):
        return NOT_DECIDED, "The quality gates report does not say go or no-go."
    gate_list = [gate for gate in gates.data.get("gates", []) if isinstance(gate, Mapping)]
    passed = sum(gate.get("status") == "pass" for gate in gate_list)
    told = f"{passed} of {len(gate_list)} quality gates pass. "
    if not go:
        told += f"Not passed: {listed(_not_passed(gate_list))}. "
    return GO if go else NO_GO, told + _sign_off(evidence)


def in_short(evidence: Evidence) -> Section:
    """The findings a reader must not miss."""
    results = evidence.results
    windows = results.windows
    items = [
        f"Out of sample from {windows[0].start[:10]} to {windows[-1].stop[:10]}, {len(windows)} refits, "
        f"{listed(results.symbols)}: the bands below were issued before their outcomes existed."
    ]
    for name in results.names:
        ninety = results.estimate(name, "pooled", "coverage_90")
        ratio = results.estimate(name, "pooled", "pinball_to_har_rv")
        items.append(
            f"{name}: the 90 % band held {with_interval(ninety, 1, 100, ' %')}, the 50 % band "
            f"{with_interval(results.estimate(name, 'pooled', 'coverage_50'), 1, 100, ' %')}; pinball loss "
            f"{with_interval(ratio, 3)} of HAR-RV's. About {ninety.n_effective} independent outcomes."
        )
    if missed := missed_figures(evidence):
        items.append(f"Key figures below their minimum at one horizon or more: {listed(missed)}.")
    blocks: list[Block] = [
        Bullets(items),
        Paragraph(
            "Brackets are 90 % block-bootstrap intervals: neighbouring bands share most of their bars, so "
            "the number of bands says nothing about certainty; the number of independent outcomes does."
        ),
    ]
    if evidence.settings_agree is False and evidence.gates is None:
        blocks.append(
            Paragraph(
                "The bundle given was not trained as this walk-forward was (settings, symbols or leader "
                "differ): nothing below is evidence about it.",
                notice=True,
            )
        )
    return Section("In short", blocks)


def _sign_off(evidence: Evidence) -> str:
    results = evidence.results
    found = {name: results.estimate(name, "pooled", "coverage_90").value for name in results.names}
    outside = [f"{name} {percent(value)}" for name, value in found.items() if not within(value, COVERAGE_90)]
    if outside:
        return f"Coverage of the 90 % band is outside 87–93 % at {listed(outside)}: sign-off is not allowed."
    values = [value for value in found.values() if value is not None]
    return (
        f"Walk-forward coverage of the 90 % band is {percent(min(values))} to {percent(max(values))} over "
        "the horizons, inside the 87–93 % that sign-off asks for."
    )


def _not_passed(gates: list[Mapping[str, Any]]) -> list[str]:
    return [f"{gate.get('name')} ({gate.get('status')})" for gate in gates if gate.get("status") != "pass"]
