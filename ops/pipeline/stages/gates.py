"""The four gates on what this run has made."""

from __future__ import annotations

from typing import Any

from offline.dataset import Progress
from offline.gates import examine, load_policy, read_results
from offline.gates.report import GATES_SCHEMA
from offline.validate.run import RESULTS
from ops.gating import exposed_metrics, judge_bundle, read_inference
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work


def _inputs(work: Work) -> dict[str, Any]:
    return {
        "policy": load_policy(work.options.policy).sha256,
        "metrics": exposed_metrics(),
        "method": GATES_SCHEMA,
    }


def _run(work: Work, _: Progress) -> Done:
    report = judge_bundle(
        work.settings,
        examine(work.bundle),
        load_policy(work.options.policy),
        work.gates,
        results=read_results(work.validation / RESULTS),
        inference=read_inference(work.inference),
        searched=work.searched,
    )
    decision = report["decision"]
    if report["go"]:
        return Done([work.gates], f"GO: {decision['passed']} of 4 gates pass")
    return Done([work.gates], f"NO-GO: {'; '.join(decision['reasons'])}")


GATES = Stage("gates", ("hpo", "validate", "train", "inference", "register"), _inputs, _run)
