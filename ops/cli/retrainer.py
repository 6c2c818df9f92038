"""Serve retrain requests: one run at a time, resumed after a crash, a challenger at the end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from offline.gates import load_policy
from offline.retrain import RetrainerConfig, leave, serve
from ops.cli.options import Leader, RedisUrl, Symbols, TrackingUri, settings_with
from ops.console import told_errors
from ops.embedded import EmbeddedServer
from ops.logs import set_up
from ops.retraining import PipelineJob, champion_label
from ops.settings import Settings

EXAMPLE = "Example: bands retrainer --bars binance_BTCUSDT_4h.parquet"


def run(
    bars: Annotated[
        list[Path] | None,
        typer.Option(
            "--bars",
            help="Parquet or CSV files of 4-hour bars, or folders of them; newer bars come from the stream. "
            "Default: the bars archived from the stream alone.",
        ),
    ] = None,
    symbols: Symbols = None,
    leader: Leader = None,
    policy: Annotated[
        Path | None, typer.Option(help="TOML of gate thresholds over the default ones.")
    ] = None,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    http_port: Annotated[int | None, typer.Option(help="Port of /health, /ready and /metrics.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every delivery.")] = False,
) -> None:
    """Requests come from drift alerts, the monthly schedule or `bands retrain`; retrain.status tells all.

    Several may run, one works and the others stand by. A run that ends with a go is @challenger, never
    @champion. Exit codes: 0 stopped, 1 failed, 70 reader died, 75 another has the lock; restart always.
    """
    with told_errors(), ExitStack() as stack:
        settings = settings_with(redis_url, tracking_uri)
        set_up(settings, verbose=verbose, fields={"service": "retrainer"})
        if symbols:
            own = {"symbols": tuple(word for part in symbols for word in part.replace(",", " ").split())}
            settings = settings.model_copy(update={"train": settings.train.model_copy(update=own)})
        load_policy(policy)
        if missing := [str(path) for path in bars or () if not path.exists()]:
            raise FileNotFoundError(f"expected bar files at {', '.join(missing)}, found none; check --bars")
        url = settings.redis.effective_url
        if url is None:
            url = stack.enter_context(EmbeddedServer(settings.server_path)).url
            logging.getLogger("bands").info("embedded server at %s", url)
        job = PipelineJob(settings, tuple(path.absolute() for path in bars or ()), policy, leader)
        code = asyncio.run(
            serve(retrainer_config(settings, url, http_port), job, lambda: champion_label(settings))
        )
    leave(code)


def retrainer_config(settings: Settings, url: str, http_port: int | None = None) -> RetrainerConfig:
    """What the settings tell a retrainer process."""
    own = settings.retrain
    return RetrainerConfig(
        redis_url=url,
        cluster=settings.redis.cluster,
        workspace=settings.workspace_path,
        partitions=settings.stream.partitions,
        cooldown_days=own.cooldown_days,
        schedule_day=own.schedule_day or None,
        lease_ttl_ms=own.lease_ttl_ms,
        sweep_interval_s=own.sweep_interval_s,
        archive_interval_s=own.archive_interval_s,
        retry_s=own.retry_s,
        block_ms=settings.stream.block_ms,
        socket_timeout_s=settings.redis.socket_timeout_s,
        status_maxlen=settings.stream.output_maxlen,
        http_host=own.http_host,
        http_port=http_port or own.http_port,
    )
