"""Settings of the streams."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Positive, Section


class StreamSettings(Section):
    """The streams and what is kept of them."""

    partitions: Positive = 1
    """Fixed for a deployment: a symbol's partition is its hash modulo this number."""
    batch_max: Positive = 100
    """Most bars read and committed at once."""
    block_ms: Positive = 1_000
    """How long a read waits for the next bar."""
    output_maxlen: Positive = 50_000
    """Entries kept in each output stream."""
    dead_maxlen: Positive = 10_000
    """Entries kept in the dead-letter stream."""
    bars_retention_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0
    """How long bars in effect are kept: as far back as `bands audit` can look without `--bars`."""
