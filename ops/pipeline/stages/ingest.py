"""The bars, read and checked: what each file was found to be."""

from __future__ import annotations

from typing import Any

from contracts.files import write_json
from offline.dataset import Progress
from offline.ingest import QualityReport
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work


def _inputs(work: Work) -> dict[str, Any]:
    return {
        "bars": work.bars_told(),
        "files": {told.symbol: told.to_json() for told in work.quality},
    }


def _run(work: Work, _: Progress) -> Done:
    file = work.folder / "ingest.json"
    told = [report.to_json() for report in work.quality]
    write_json(file, told)
    used = sum(map(len, work.histories))
    return Done([file], f"{used:,} bars used of " + "; ".join(map(_line, work.quality)))


def _line(told: QualityReport) -> str:
    missing = f", {told.missing_bars:,} missing" if told.missing_bars else ""
    return f"{told.symbol} {told.bars:,}, {told.completeness:.2%} complete{missing}"


INGEST = Stage("ingest", (), _inputs, _run)
