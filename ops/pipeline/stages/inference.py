"""How long a band of this bundle takes on this machine, and what it weighs."""

from __future__ import annotations

from typing import Any

from contracts.files import write_json
from offline.dataset import Progress
from ops.benchmarks.inference import INFERENCE_SCHEMA, bench_inference
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work

ROWS = 500
"""Single rows: the 95 % quantile then rests on 25 of them."""


def _inputs(_: Work) -> dict[str, Any]:
    return {"rows": ROWS, "method": INFERENCE_SCHEMA}


def _run(work: Work, progress: Progress) -> Done:
    told = bench_inference(work.settings, work.bundle, ROWS, progress)
    write_json(work.inference, told)
    targets = told["targets"]
    met = "targets met" if all(one["met"] for one in targets.values()) else "a target missed"
    p95, memory = targets["latency_ms"]["measured"], targets["memory_mb"]["measured"]
    return Done([work.inference], f"p95 {p95:.3f} ms a row, {memory:.0f} MB; {met}")


INFERENCE = Stage("inference", ("train",), _inputs, _run)
