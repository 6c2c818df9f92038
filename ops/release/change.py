"""A change of the registry's aliases, said completely before it is made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from contracts.events import Release


class Change(BaseModel):
    """Where aliases and shares are to be, and the entry that tells of it.

    Everything is absolute (None removes), so that whoever finds a change cut off makes it again from the
    start. `release.id` is the change's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: Release
    moves: dict[str, str | None]
    """Alias → version of the bundle model."""
    shares: dict[str, float | None] = {}
    """Version → share of symbols it serves as the challenger."""

    @property
    def id(self) -> str:
        """The release's id."""
        return self.release.id or ""
