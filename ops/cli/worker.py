"""Serve bands from a stream of bars: one partition, one process."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import BadInputError
from contracts.topics import Topics
from ops.cli.options import RedisUrl, TrackingUri, settings_with
from ops.console import told_errors
from ops.embedded import EmbeddedServer
from ops.logs import set_up
from ops.settings import Settings
from worker.commit import Retention
from worker.config import WorkerConfig
from worker.partition import Limits
from worker.registry import RegistrySettings
from worker.service import serve
from worker.tracing import Tracing, asked_by_environment

EXAMPLE = "Example: bands worker --bundle var/bundles/0.1.0-5f2c9d1e7a40"


def run(
    bundle: Annotated[
        Path | None, typer.Option(help="Serve this bundle folder; default: the registry's champion.")
    ] = None,
    challenger: Annotated[
        Path | None, typer.Option(help="With --bundle: the folder of a bundle that runs in its shadow.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of symbols the --challenger serves for real.")
    ] = 0.0,
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    partition: Annotated[
        int | None, typer.Option(help="Which partition, from 0; default: the setting worker.partition.")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Port of /health, /ready, /metrics and /docs.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every commit.")] = False,
) -> None:
    """Exit codes: 0 stopped, 1 failed, 3 bundle refused, 70 reader died, 75 another owner; restart always."""
    with told_errors(), ExitStack() as stack:
        if challenger is not None and bundle is None:
            raise BadInputError("expected --bundle beside --challenger, found none; or use `bands shadow`")
        settings = settings_with(redis_url, tracking_uri)
        told = {
            "service": "worker",
            "partition": settings.worker.partition if partition is None else partition,
        }
        set_up(settings, verbose=verbose, fields=told)
        url = settings.redis.effective_url
        if url is None:
            url = stack.enter_context(EmbeddedServer(settings.server_path)).url
            logging.getLogger("bands").info("embedded server at %s", url)
        code = asyncio.run(
            serve(worker_config(settings, url, bundle, partition, http_port, challenger, share))
        )
    sys.exit(code)


def worker_config(
    settings: Settings,
    url: str,
    bundle: Path | None,
    partition: int | None = None,
    http_port: int | None = None,
    challenger: Path | None = None,
    share: float = 0.0,
) -> WorkerConfig:
    """What the settings tell a worker process."""
    stream, worker = settings.stream, settings.worker
    registry = RegistrySettings(
        settings.registry_uri,
        settings.workspace_path / "champions",
        settings.registry.alias,
        settings.registry.timeout_s,
        challenger=settings.registry.challenger_alias,
        poll_s=settings.registry.poll_s,
        trusted_keys=settings.signing.trusted_keys,
    )
    return WorkerConfig(
        redis_url=url,
        cluster=settings.redis.cluster,
        bundle=bundle,
        challenger=challenger,
        share=share,
        registry=None if bundle else registry,
        trusted_keys=settings.signing.trusted_keys,
        topics=Topics(worker.partition if partition is None else partition, stream.partitions),
        limits=Limits(stream.batch_max, round(stream.bars_retention_days * 86_400)),
        retention=Retention(stream.output_maxlen, stream.dead_maxlen),
        lease_ttl_ms=worker.lease_ttl_ms,
        sweep_interval_s=worker.sweep_interval_s,
        block_ms=stream.block_ms,
        socket_timeout_s=settings.redis.socket_timeout_s,
        http_host=worker.http_host,
        http_port=http_port or worker.http_port,
        tracing=_tracing(settings),
    )


def _tracing(settings: Settings) -> Tracing | None:
    own = settings.tracing
    if own.endpoint is None and not asked_by_environment():
        return None
    return Tracing(own.endpoint, own.sample_ratio)
