"""Settings of the model registry."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Seconds, Section


class RegistrySettings(Section):
    """The model registry."""

    tracking_uri: str | None = Field(default=None, repr=False)
    """None is SQLite in the workspace."""
    timeout_s: Seconds = 3.0
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = "champion"
    challenger_alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = "challenger"
    poll_s: Seconds = 60.0
    """How often a worker looks at the aliases; an entry on `releases` makes it look at once."""
