"""Settings of OpenTelemetry traces."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ops.settings.sections.base import Section


class TracingSettings(Section):
    """OpenTelemetry traces from bar to band."""

    endpoint: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = Field(default=None, repr=False)
    """OTLP over HTTP, e.g. `http://localhost:4318`; None is what OTEL_EXPORTER_OTLP_ENDPOINT says, if
    anything. Without either nothing of OpenTelemetry is loaded."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the traces that begin here; one that a feed began is kept as the feed decided."""
