"""Settings of deployment: where workers answer, and how long is waited for what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ops.settings.sections.base import Names, Seconds, Section


class DeploySettings(Section):
    """What `bands check`, `deploy`, `smoke` and `rollback` go by."""

    source: Literal["registry", "folder"] = "registry"
    """Where workers have their bundle from: the registry's alias, or `releases/current` in the workspace."""
    workers: Names = ()
    """Each partition's pages, such as http://10.0.0.5:8100, in the order of partitions; empty is
    `worker.http_host`, the first partition at `worker.http_port`, each further one a hundred ports higher."""
    restart: str = ""
    """With source `folder`: the command that restarts the workers; without one you are asked to."""
    ready_timeout_s: Seconds = 180.0
    """How long every worker may take to serve the new bundle."""
    first_band_timeout_s: Seconds = 15_000.0
    """How long the first bar may be waited for: the next close, and ten minutes."""
    max_age_s: Seconds = 16_200.0
    """How long ago the newest band may have been issued: a bar and half an hour."""
    dead_letters_max: Annotated[int, Field(ge=0)] = 10
    """Dead letters of the last hour, or since the switch, that are no burst yet."""
    clock_tolerance_s: Seconds = 2.0
    """How far the clocks of this machine, the server and the registry may be apart."""
    min_free_gb: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    """Free disk in the workspace below which nothing is deployed."""
