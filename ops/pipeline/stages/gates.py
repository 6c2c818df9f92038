"""The four gates on what this run has made."""

from __future__ import annotations

from typing import Any

from offline.dataset import Progress
from offline.gates import (
    INFERENCE_SCHEMA,
    Evidence,
    Inference,
    examine,
    judge,
    load_policy,
    look_up,
    read_json,
    read_results,
    read_search,
    write_report,
)
from offline.gates.report import GATES_SCHEMA
from offline.validate.run import RESULTS
from ops.cli.gates import exposed_metrics
from ops.pipeline.stage import Done, Stage
from ops.pipeline.work import Work


def _inputs(work: Work) -> dict[str, Any]:
    return {
        "policy": load_policy(work.options.policy).sha256,
        "metrics": exposed_metrics(),
        "method": GATES_SCHEMA,
    }


def _run(work: Work, _: Progress) -> Done:
    examined = examine(work.bundle)
    source, told = read_json(work.inference, "the result of `bands bench inference`", INFERENCE_SCHEMA)
    settings = work.settings
    report = judge(
        Evidence(
            examined=examined,
            results=read_results(work.validation / RESULTS),
            registered=look_up(settings.registry_uri, examined.sha256, settings.registry.timeout_s),
            exposed=exposed_metrics(),
            inference=(source, Inference.from_json(told)),
            searched=read_search(work.searched) if work.searched else None,
        ),
        load_policy(work.options.policy),
    )
    write_report(report, work.gates)
    decision = report["decision"]
    if report["go"]:
        return Done([work.gates], f"GO: {decision['passed']} of 4 gates pass")
    return Done([work.gates], f"NO-GO: {'; '.join(decision['reasons'])}")


GATES = Stage("gates", ("hpo", "validate", "train", "inference", "register"), _inputs, _run)
