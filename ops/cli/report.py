"""The production readiness report, for people who decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offline.report import Given, write_report
from ops.cli.options import Json
from ops.console import out, print_json, told_errors
from ops.settings import Settings

EXAMPLE = (
    "Example: bands report --results var/validation_wf --hpo var/hpo --bundle var/bundles/0.1.0-5f2c9d1e7a40"
)


def run(
    results: Annotated[Path, typer.Option(help="Folder that `bands validate` wrote.")],
    hpo: Annotated[Path | None, typer.Option(help="Folder that `bands hpo` wrote.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="The bundle's folder.")] = None,
    gates: Annotated[Path | None, typer.Option(help="quality_gates_report.json of `bands gates`.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="calibration_optimal.json.")] = None,
    inference: Annotated[
        Path | None, typer.Option(help="inference.json of `bands bench inference --out`.")
    ] = None,
    forecast: Annotated[Path | None, typer.Option(help="leaderboard.json of `bands bench forecast`.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: report in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """PRODUCTION_READINESS_REPORT.md and report.html; what is not given is told as missing."""
    with told_errors():
        given = Given(results, hpo, bundle, gates, calibration, inference, forecast)
        written = write_report(given, folder or Settings().workspace_path / "report")
        if as_json:
            print_json(
                {
                    "verdict": written.verdict,
                    "because": written.because,
                    "markdown": str(written.markdown),
                    "html": str(written.html),
                    "html_bytes": written.html_bytes,
                    "figures": list(written.figures),
                }
            )
            return
        out.print(f"verdict: [bold]{written.verdict}[/]")
        out.print(written.because, markup=False, highlight=False, soft_wrap=True)
        out.print(
            f"written: [bold]{written.markdown}[/], {written.markdown_bytes / 1e3:.0f} kB", soft_wrap=True
        )
        out.print(
            f"written: [bold]{written.html}[/], {written.html_bytes / 1e6:.1f} MB, "
            f"{len(written.figures)} figures",
            soft_wrap=True,
        )
