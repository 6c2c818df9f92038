"""The sections of the settings, a file each."""

from ops.settings.sections.redis import RedisSettings
from ops.settings.sections.registry import RegistrySettings
from ops.settings.sections.release import ReleaseSettings
from ops.settings.sections.retrain import RetrainSettings
from ops.settings.sections.stream import StreamSettings
from ops.settings.sections.train import TrainSettings
from ops.settings.sections.worker import WorkerSettings

__all__ = [
    "RedisSettings",
    "RegistrySettings",
    "ReleaseSettings",
    "RetrainSettings",
    "StreamSettings",
    "TrainSettings",
    "WorkerSettings",
]
