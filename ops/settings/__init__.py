"""One model for the settings of every command."""

from ops.settings.model import Settings
from ops.settings.sections import (
    RedisSettings,
    RegistrySettings,
    ReleaseSettings,
    RetrainSettings,
    StreamSettings,
    TrainSettings,
    WorkerSettings,
)
from ops.settings.sources import SettingsError

__all__ = [
    "RedisSettings",
    "RegistrySettings",
    "ReleaseSettings",
    "RetrainSettings",
    "Settings",
    "SettingsError",
    "StreamSettings",
    "TrainSettings",
    "WorkerSettings",
]
