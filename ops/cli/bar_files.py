"""Reading the files that `--bars` names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contracts.model.candle import History
from contracts.model.grid import iso
from offline.ingest import QualityReport, read_many

SUFFIXES = (".parquet", ".csv")


def read_histories(files: list[Path], symbol: str | None = None) -> list[tuple[History, QualityReport]]:
    """Every symbol in `files`, ordered by name; `symbol` keeps that one only.

    A folder stands for the parquet and CSV files in it.

    Raises:
        BarFileError: a file can not be read.
        ValueError: a folder without a file, a symbol that comes twice, or the one asked for not at all.
    """
    found: dict[str, tuple[History, QualityReport]] = {}
    for file in _files(files):
        for name, ingested in read_many(file).items():
            if name in found:
                raise ValueError(f"expected every symbol once, found {name} again in {file}")
            found[name] = (ingested.history, ingested.report)
    if symbol is not None:
        if symbol not in found:
            raise ValueError(f"expected --symbol to be one of {', '.join(sorted(found))}, found {symbol}")
        found = {symbol: found[symbol]}
    return [found[name] for name in sorted(found)]


def chosen_histories(
    files: list[Path],
    symbols: Sequence[str] | None,
    default: Sequence[str],
    since: int | None = None,
    until: int | None = None,
) -> list[History]:
    """The symbols asked for (with blanks or commas between; else `default`, else all) in [since, until].

    Raises:
        BarFileError: a file can not be read.
        ValueError: a symbol is not in the files, or has no bar in that time.
    """
    histories = [history for history, _ in read_histories(files)]
    wanted = [word for part in symbols or () for word in part.replace(",", " ").split()] or list(default)
    found = [history.symbol for history in histories]
    if unknown := sorted(set(wanted) - set(found)):
        raise ValueError(
            f"expected --symbols among {', '.join(found)}, found {', '.join(unknown)}; give their bars"
        )
    kept = [h.between(since, until) for h in histories if not wanted or h.symbol in wanted]
    if empty := [history.symbol for history in kept if len(history) == 0]:
        between = f"from {iso(since) if since else 'the first'} to {iso(until) if until else 'the last'}"
        raise ValueError(
            f"expected bars of {', '.join(empty)} {between}, found none; ask for another time or leave them "
            "out with --symbols"
        )
    return kept


def _files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"expected parquet or CSV files of bars in {path}, found none")
        files += inside
    return files
