"""Read bars, check them, and keep them in the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from offline.ingest import history_sha256, read_bars, read_many, write_bars
from ops.cli.options import BarFiles, Json
from ops.console import out, print_json, told_errors
from ops.settings import Settings

EXAMPLE = "Example: bands ingest --bars binance_BTCUSDT_4h.parquet"


def run(
    bars: BarFiles,
    symbol: Annotated[str | None, typer.Option(help="Name the symbol; default: from the file.")] = None,
    on_bad: Annotated[
        str, typer.Option(help="Bad rows: `raise` names the first, `drop` reports all.")
    ] = "raise",
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to keep them; default: bars/ in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one clean parquet file per symbol and say what was found."""
    with told_errors():
        if on_bad not in {"raise", "drop"}:
            raise ValueError(f"expected --on-bad raise or drop, found {on_bad}")
        policy: Literal["raise", "drop"] = "drop" if on_bad == "drop" else "raise"
        target = folder or Settings().workspace_path / "bars"
        told = []
        for file in bars:
            found = (
                {symbol: read_bars(file, symbol, on_bad=policy)} if symbol else read_many(file, on_bad=policy)
            )
            for name, (history, report) in found.items():
                kept = write_bars(history, target / f"{name}_4h.parquet")
                told.append({"file": str(kept), "sha256": history_sha256(history), **report.to_json()})
                if not as_json:
                    out.print(f"[bold]{name}[/] → {kept}")
                    for line in report.lines():
                        out.print(f"  {line}", highlight=False, markup=False)
        if as_json:
            print_json(told)
