"""Settings of offline runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Names, Positive, Section


class TrainSettings(Section):
    """Offline runs."""

    symbols: Names = ()
    """Empty is every symbol of the bars given; in a variable, names separated by commas."""
    seed: Annotated[int, Field(ge=0)] = 7
    threads: Positive | None = None
    """None is every core."""
    folds: Annotated[int, Field(ge=2)] = 5
    max_gap_bars: Annotated[int, Field(ge=0)] = 12
    """Missing bars that are bridged; with one more, the symbol warms up again. The bundle carries it."""
    alarms_per_year: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """False drift alarms per symbol, over all channels, that the bundle's thresholds are calibrated to."""
