"""What a retraining does when it runs: the pipeline, from the champion to a challenger."""

from ops.retraining.champion import Served, champion_label, look_up_champion, next_minor
from ops.retraining.job import PipelineJob

__all__ = ["PipelineJob", "Served", "champion_label", "look_up_champion", "next_minor"]
