"""From bars to a package: every stage once, and again only when what it reads has changed."""

from ops.pipeline.decide import NEVER_RUN, Decision
from ops.pipeline.drive import Event, Outcome, pipeline_lock, plan_pipeline, run_pipeline
from ops.pipeline.options import PipelineOptions
from ops.pipeline.record import Record, StageRecord
from ops.pipeline.work import Work

__all__ = [
    "NEVER_RUN",
    "Decision",
    "Event",
    "Outcome",
    "PipelineOptions",
    "Record",
    "StageRecord",
    "Work",
    "pipeline_lock",
    "plan_pipeline",
    "run_pipeline",
]
