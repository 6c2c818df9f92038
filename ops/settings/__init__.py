"""One model for the settings of every command."""

from ops.settings.model import Settings
from ops.settings.sections import (
    DashboardSettings,
    DeploySettings,
    FeedSettings,
    LogSettings,
    NotifySettings,
    RedisSettings,
    RegistrySettings,
    ReleaseSettings,
    RetrainSettings,
    SigningSettings,
    StreamSettings,
    TracingSettings,
    TrainSettings,
    WorkerSettings,
)
from ops.settings.sources import SettingsError

__all__ = [
    "DashboardSettings",
    "DeploySettings",
    "FeedSettings",
    "LogSettings",
    "NotifySettings",
    "RedisSettings",
    "RegistrySettings",
    "ReleaseSettings",
    "RetrainSettings",
    "Settings",
    "SettingsError",
    "SigningSettings",
    "StreamSettings",
    "TracingSettings",
    "TrainSettings",
    "WorkerSettings",
]
