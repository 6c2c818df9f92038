"""Reading the files that `--bars` names."""

from __future__ import annotations

from pathlib import Path

from contracts.model.candle import History
from offline.ingest import QualityReport, read_many


def read_histories(files: list[Path], symbol: str | None = None) -> list[tuple[History, QualityReport]]:
    """Every symbol in `files`, ordered by name; `symbol` keeps that one only.

    Raises:
        BarFileError: a file can not be read.
        ValueError: a symbol comes twice, or the one asked for not at all.
    """
    found: dict[str, tuple[History, QualityReport]] = {}
    for file in files:
        for name, ingested in read_many(file).items():
            if name in found:
                raise ValueError(f"expected every symbol once, found {name} again in {file}")
            found[name] = (ingested.history, ingested.report)
    if symbol is not None:
        if symbol not in found:
            raise ValueError(f"expected --symbol to be one of {', '.join(sorted(found))}, found {symbol}")
        found = {symbol: found[symbol]}
    return [found[name] for name in sorted(found)]
