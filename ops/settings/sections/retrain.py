"""Settings of the retrainer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Host, Port, Positive, Seconds, Section


class RetrainSettings(Section):
    """The retrainer, and what a retraining does."""

    cooldown_days: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 7.0
    """How long after an accepted run another request for the same champion is answered `skipped`."""
    schedule_day: Annotated[int, Field(ge=0, le=28)] = 1
    """Day of the month on which a retraining is asked for; 0 is never."""
    trials: Annotated[int, Field(ge=0)] = 10
    """HPO trials per horizon, the champion's settings first; 0 trains with the defaults."""
    validation_days: Positive = 365
    """The walk-forward covers this much of the newest bars; half of them where there are too few."""
    calibrate: bool = True
    """Compare calibrators where there are bars enough before the validation; else adaptive CQR."""
    lease_ttl_ms: Annotated[int, Field(ge=100)] = 30_000
    """How long a silent retrainer keeps the lock."""
    sweep_interval_s: Seconds = 5.0
    archive_interval_s: Seconds = 3_600.0
    """How often the bars that have flowed are added to the workspace's archive."""
    retry_s: Seconds = 30.0
    """Pause before a run goes on after the registry was away."""
    http_host: Host = "127.0.0.1"
    http_port: Port = 8_101
