"""Settings of the model registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ops.security.secrets import read_password
from ops.settings.sections.base import Seconds, Section
from ops.settings.sources import SettingsError

USERNAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
"""Where MLflow's client looks; a URI with credentials would end up in messages and run pages."""


class RegistrySettings(Section):
    """The model registry."""

    tracking_uri: str | None = Field(default=None, repr=False)
    """None is SQLite in the workspace."""
    username: str | None = None
    """User of a registry that asks for one (MLflow's basic auth)."""
    password_file: Path | None = None
    """File with that user's password, closed to others."""
    timeout_s: Seconds = 3.0
    alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = "champion"
    challenger_alias: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")] = "challenger"
    poll_s: Seconds = 60.0
    """How often a worker looks at the aliases; an entry on `releases` makes it look at once."""

    def log_in(self) -> None:
        """Put user and password where MLflow's client of this process and its children finds them.

        Raises:
            SettingsError: one is set without the other, or without a registry to send them to.
            SecretError: the password file is missing or readable by everybody.
        """
        if self.username is None and self.password_file is None:
            return
        if self.username is None or self.password_file is None or self.tracking_uri is None:
            raise SettingsError(
                "Expected registry.tracking_uri, registry.username and registry.password_file together, "
                "found one missing: give all three, or neither user nor password."
            )
        password = read_password(self.password_file, "registry.password_file")
        os.environ |= {USERNAME: self.username, PASSWORD: password}
