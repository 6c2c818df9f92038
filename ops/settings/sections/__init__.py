"""The sections of the settings, a file each."""

from ops.settings.sections.dashboard import DashboardSettings
from ops.settings.sections.deploy import DeploySettings
from ops.settings.sections.feed import FeedSettings
from ops.settings.sections.log import LogSettings
from ops.settings.sections.notify import NotifySettings
from ops.settings.sections.redis import RedisSettings
from ops.settings.sections.registry import RegistrySettings
from ops.settings.sections.release import ReleaseSettings
from ops.settings.sections.retrain import RetrainSettings
from ops.settings.sections.signing import SigningSettings
from ops.settings.sections.stream import StreamSettings
from ops.settings.sections.tracing import TracingSettings
from ops.settings.sections.train import TrainSettings
from ops.settings.sections.worker import WorkerSettings

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
    "SigningSettings",
    "StreamSettings",
    "TracingSettings",
    "TrainSettings",
    "WorkerSettings",
]
