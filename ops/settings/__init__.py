"""One model for the settings of every command; its sections are in `ops.settings.sections`."""

from ops.settings.model import Settings
from ops.settings.sources import SettingsError

__all__ = ["Settings", "SettingsError"]
