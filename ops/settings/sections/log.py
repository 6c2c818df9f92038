"""Settings of what the services log."""

from __future__ import annotations

from typing import Literal

from ops.settings.sections.base import Section


class LogSettings(Section):
    """What the services log, on standard error."""

    format: Literal["auto", "text", "json"] = "auto"
    """auto is text on a terminal and JSON, one object a line, everywhere else."""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """`--verbose` is DEBUG."""
