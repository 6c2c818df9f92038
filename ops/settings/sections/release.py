"""Settings of how a challenger takes over."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ops.settings.sections.base import Seconds, Section


class ReleaseSettings(Section):
    """How a challenger takes over."""

    policy: Literal["manual", "automatic"] = "manual"
    """Of `bands shadow --follow`: automatic promotes on a win and withdraws on a loss."""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Chance of a false win over all looks together, and of a false loss."""
    require_gates: bool = True
    """Promote only what a quality gates report says go to."""
    require_signoff: bool = False
    """Promote only what both roles have signed, see `bands approve`."""
    poll_interval_s: Seconds = 5.0
    """How often `bands shadow --follow` looks."""
