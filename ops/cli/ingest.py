"""Read bars, check them, and keep them in the workspace."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from contracts.errors import BadInputError
from offline.ingest import Ingested, OnBad, history_sha256, read_bars, read_many, write_bars
from ops.cli.options import Json, Since, Until, moment
from ops.console import out, print_json, progress_bars, told_errors
from ops.settings import Settings

EXAMPLE = "Example: bands ingest --exchange bitstamp --symbol BTC/USD --since 2013-01-01"

EARLIEST = 1_230_768_000
"""2009-01-01: no coin had a price before."""


def run(
    bars: Annotated[
        list[Path] | None, typer.Option("--bars", help="Parquet or CSV files of 4-hour bars.", exists=False)
    ] = None,
    exchange: Annotated[
        str | None, typer.Option(help="Instead of files: download from this exchange, by its name in ccxt.")
    ] = None,
    symbol: Annotated[
        list[str] | None,
        typer.Option(
            "--symbol",
            "--symbols",
            help="Of a file: its symbol's name. Of an exchange: its markets, e.g. `BTC/USD ETH/USD`.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    base_url: Annotated[
        str | None, typer.Option(help="Ask a proxy or `bands mock-exchange` here, not the exchange itself.")
    ] = None,
    on_bad: Annotated[
        str, typer.Option(help="Bad rows: `raise` names the first, `drop` reports all.")
    ] = "raise",
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to keep them; default: bars/ in the workspace.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one clean parquet file per symbol and say what was found.

    A download that was stopped goes on where it was; run again later, it adds what has closed since.
    """
    with told_errors():
        if on_bad not in {"raise", "drop"}:
            raise ValueError(f"expected --on-bad raise or drop, found {on_bad}")
        policy: Literal["raise", "drop"] = "drop" if on_bad == "drop" else "raise"
        if bool(bars) == bool(exchange):
            raise BadInputError(
                "expected either --bars or --exchange, found both or neither; name one of them"
            )
        settings = Settings()
        target = folder or settings.workspace_path / "bars"
        told = []
        if exchange is not None:
            wanted = _symbols(symbol)
            url = base_url or (settings.feed.base_url if settings.feed.exchange == exchange else None)
            found = _from_exchange(
                exchange, wanted, (moment(since), moment(until)), url, policy, settings, target, quiet=as_json
            )
        else:
            found = _from_files(bars or [], symbol, (moment(since), moment(until)), policy, target)
        for kept, ingested, more in found:
            history, report = ingested
            told.append({"file": str(kept), "sha256": history_sha256(history), **report.to_json(), **more})
            if not as_json:
                out.print(f"[bold]{history.symbol}[/] → {kept}")
                for line in report.lines():
                    out.print(f"  {line}", highlight=False, markup=False)
                for refused in more.get("refused", []):
                    out.print(f"  left out {refused['open_time']}: {refused['reason']}", markup=False)
        if as_json:
            print_json(told)


Kept = tuple[Path, Ingested, dict[str, Any]]


def _from_files(
    files: list[Path],
    symbol: list[str] | None,
    span: tuple[int | None, int | None],
    policy: OnBad,
    target: Path,
) -> list[Kept]:
    if symbol is not None and len(symbol) > 1:
        raise BadInputError(
            f"expected one --symbol for a file, found {', '.join(symbol)}; give one file each"
        )
    kept: list[Kept] = []
    for file in files:
        found = (
            {symbol[0]: read_bars(file, symbol[0], on_bad=policy)}
            if symbol
            else read_many(file, on_bad=policy)
        )
        for name, ingested in found.items():
            path = target / f"{name}_4h.parquet"
            if span == (None, None):
                kept.append((write_bars(ingested.history, path), ingested, {}))
            else:
                write_bars(ingested.history.between(*span), path)
                kept.append((path, read_bars(path, name), {}))
    return kept


def _from_exchange(
    exchange: str,
    symbols: tuple[str, ...],
    span: tuple[int | None, int | None],
    base_url: str | None,
    policy: OnBad,
    settings: Settings,
    target: Path,
    *,
    quiet: bool,
) -> list[Kept]:
    from contracts.model.grid import iso
    from ops.feed.download import Download
    from ops.feed.exchange import Exchange

    downloads: list[tuple[str, Download, int]] = []

    async def fetch() -> None:
        source = Exchange(exchange, base_url=base_url, timeout_s=settings.feed.timeout_s)
        try:
            found = await source.open(symbols)
            with progress_bars(quiet=quiet) as progress:
                for one in found:
                    download = Download(settings.workspace_path / "downloads", exchange, one)
                    start = EARLIEST if span[0] is None else span[0]
                    before = await download.run(source, start, span[1], policy, progress)
                    downloads.append((one.name, download, before))
        finally:
            await source.close()

    asyncio.run(fetch())
    kept = []
    for name, download, before in downloads:
        history = read_bars(download.file, name).history.between(*span) if len(download) else None
        if history is None or not len(history):
            raise BadInputError(
                f"expected candles of {name} at {exchange} in that time, found none; ask for another time"
            )
        path = write_bars(history, target / f"{name}_4h.parquet")
        refused = [{"open_time": iso(at), "reason": why} for at, why in download.refused]
        kept.append((path, read_bars(path, name), {"here_before": before, "refused": refused}))
    return kept


def _symbols(symbol: list[str] | None) -> tuple[str, ...]:
    names = tuple(name for part in symbol or () for name in part.replace(",", " ").split())
    if not names:
        raise BadInputError("expected the markets to download, found none; name them: --symbol BTC/USD")
    return names
