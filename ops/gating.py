"""The four gates on one bundle: the evidence gathered, judged, and the report written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from offline.gates import (
    INFERENCE_SCHEMA,
    Evidence,
    Examined,
    Inference,
    PolicyFile,
    Results,
    Source,
    judge,
    look_up,
    read_json,
    read_search,
    write_report,
)
from ops.settings import Settings


def exposed_metrics() -> list[str]:
    """Names of the metrics that this release's worker offers on `/metrics`."""
    from worker.metrics import REGISTRY

    return sorted(family.name for family in REGISTRY.collect())


def read_inference(file: Path) -> tuple[Source, Inference]:
    """What `bands bench inference` measured.

    Raises:
        BadInputError: the file can not be read, or is something else.
    """
    source, told = read_json(file, "the result of `bands bench inference`", INFERENCE_SCHEMA)
    return source, Inference.from_json(told)


def judge_bundle(
    settings: Settings,
    examined: Examined,
    policy: PolicyFile,
    report: Path,
    *,
    results: tuple[Source, Results],
    inference: tuple[Source, Inference] | None,
    searched: Path | None,
) -> dict[str, Any]:
    """The gates report on `examined`, as written to the file `report`, for either verdict.

    `results` are the validation's, `searched` is the folder of a search's; the registry of `settings` is
    asked for the bundle.

    Raises:
        BadInputError: a result of the search can not be read.
    """
    evidence = Evidence(
        examined=examined,
        results=results,
        registered=look_up(settings.registry_uri, examined.sha256, settings.registry.timeout_s),
        exposed=exposed_metrics(),
        inference=inference,
        searched=read_search(searched) if searched else None,
    )
    told = judge(evidence, policy)
    write_report(told, report)
    return told
