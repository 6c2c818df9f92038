"""The four quality gates: whether a bundle may go live, and on what evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from contracts.errors import BadInputError
from contracts.files import write_json
from contracts.model.bundle import BundleError
from contracts.model.grid import HORIZONS
from offline.gates import (
    DEFAULT_POLICY,
    REPORT,
    Examined,
    Inference,
    Source,
    examine,
    load_policy,
    read_results,
)
from ops.benchmarks.inference import bench_inference
from ops.cli.options import Json, TrackingUri, settings_with
from ops.console import FAILED, out, print_json, progress_bars, told_errors
from ops.gating import judge_bundle, read_inference
from ops.settings import Settings

EXAMPLE = (
    "Example: bands gates --results var/validation_wf/results.json --bundle var/bundles/0.1.0-5f2c9d1e7a40"
)
PROBE_ROWS = 200
COLOURS = {"pass": "green", "fail": "red", "unknown": "yellow", "ideal": "green", "missed": "red"}


def run(
    results: Annotated[
        Path | None, typer.Option(help="results.json of `bands validate --cpcv`, or its folder.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="The bundle's folder.")] = None,
    hpo: Annotated[Path | None, typer.Option(help="Folder of best_params_T=42.json and siblings.")] = None,
    inference: Annotated[
        Path | None, typer.Option(help="`bands bench inference --out`; default: measured now, kept.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="TOML of thresholds over the default ones.")] = None,
    file: Annotated[
        Path | None, typer.Option("--out", help=f"The report; default: {REPORT} in the workspace.")
    ] = None,
    show_policy: Annotated[
        bool, typer.Option("--show-policy", help="Print the default thresholds and stop.")
    ] = False,
    tracking_uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Exit codes: 0 go, 1 no-go, 2 wrong usage, 3 bad input. The report is written for both verdicts."""
    with told_errors():
        if show_policy:
            out.out(DEFAULT_POLICY.read_text(encoding="utf-8"), end="", highlight=False)
            return
        if results is None or bundle is None:
            raise BadInputError("expected --results and --bundle, found one missing; or give --show-policy")
        settings = settings_with(tracking_uri=tracking_uri)
        policy_file = load_policy(policy)
        target = file or settings.workspace_path / REPORT
        examined = examine(bundle)
        report = judge_bundle(
            settings,
            examined,
            policy_file,
            target,
            results=read_results(results / "results.json" if results.is_dir() else results),
            inference=_inference(inference, examined, settings, target, quiet=as_json),
            searched=hpo,
        )
        if as_json:
            print_json(report)
        else:
            _show(report)
            out.print(f"written: {target}", soft_wrap=True)
    if not report["go"]:
        raise typer.Exit(FAILED)


def _inference(
    path: Path | None, examined: Examined, settings: Settings, report: Path, *, quiet: bool
) -> tuple[Source, Inference] | None:
    if path is None:
        if examined.bundle is None:
            return None
        path = report.with_name(f"{report.stem}.inference.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with progress_bars(quiet=quiet) as progress:
                told = bench_inference(settings, examined.folder, PROBE_ROWS, progress)
        except BundleError:
            raise
        except ValueError:  # no symbol is warm: gate 4 says that nothing was measured
            return None
        write_json(path, told)
    return read_inference(path)


def _show(report: dict[str, Any]) -> None:
    for number, gate in enumerate(report["gates"], 1):
        title = f"{number} {gate['title']}: {_status(gate['status'])}"
        table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 1, 0, 0))
        for fold in (False, False, False, True):
            table.add_column(no_wrap=not fold, overflow="fold")
        for name, horizons, status, detail in _lines(gate["checks"]):
            table.add_row(f"  {name}", horizons, _status(status), escape(detail))
        out.print(table)
    out.print(_kpi_table(report["kpis"]))
    for horizon, symbols in report["symbols"].items():
        told = ", ".join(f"{name} {_percent(one['value'])}" for name, one in symbols.items())
        out.print(f"coverage of the 90 % band at {horizon}: {told}", highlight=False)
    label = report["bundle"]["label"]
    if report["go"]:
        out.print(f"[bold green]GO[/] {label}: {report['decision']['passed']} of 4 gates pass")
    else:
        out.print(f"[bold red]NO-GO[/] {label}: {'; '.join(report['decision']['reasons'])}", highlight=False)


def _lines(checks: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """A line per check; horizons that all pass share one."""
    lines = []
    for name in dict.fromkeys(check["name"] for check in checks):
        same = [check for check in checks if check["name"] == name]
        good = [check for check in same if check["status"] == "pass"]
        if len(good) > 1:
            values = ", ".join(f"{check['value']:.4g}" for check in good)
            where = " ".join(check["horizon"] for check in good)
            told = f"{values}; asked {good[0]['threshold']}"
            if wide := [check["horizon"] for check in good if check["interval_inside"] is False]:
                told += f"; the interval reaches outside at {' '.join(wide)}"
            lines.append((name, where, "pass", told))
            same = [check for check in same if check["status"] != "pass"]
        for status, detail in dict.fromkeys((check["status"], check["detail"]) for check in same):
            alike = [c["horizon"] or "" for c in same if (c["status"], c["detail"]) == (status, detail)]
            lines.append((name, " ".join(alike), status, detail))
    return lines


def _kpi_table(kpis: list[dict[str, Any]]) -> Table:
    title = "KPIs (they decide nothing)"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    horizons = [f"T{horizon}" for horizon in HORIZONS]
    for column in ("", "minimum", "ideal", *horizons):
        table.add_column(column)
    rows: dict[str, dict[str | None, dict[str, Any]]] = {}
    for kpi in kpis:
        rows.setdefault(kpi["name"], {})[kpi["horizon"]] = kpi
    for name, found in rows.items():
        one = next(iter(found.values()))
        cells = [_kpi(found.get(horizon, found.get(None))) for horizon in horizons]
        table.add_row(name, one["minimum"], one["ideal"], *(cells if None not in found else cells[:1]))
    return table


def _kpi(kpi: dict[str, Any] | None) -> str:
    if kpi is None:
        return ""
    value = "" if kpi["value"] is None else f"{kpi['value']:.4g} "
    return value + _status(kpi["status"])


def _status(status: str) -> str:
    colour = COLOURS.get(status, "default")
    return f"[{colour}]{status}[/]"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
