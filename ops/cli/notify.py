"""Tell a webhook of drift, retrainings asked for or failed, and releases."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from contracts.connect import connect_sync
from ops.cli.options import RedisUrl, settings_with
from ops.console import told_errors
from ops.embedded import EmbeddedServer
from ops.logs import set_up
from ops.notify import Courier, Webhook, read_webhook, sources
from ops.notify.sources import Positions

EXAMPLE = "Example: bands notify --webhook-file webhook.url"


def run(
    webhook: Annotated[
        str | None,
        typer.Option(help="Its URL; others on this machine can see it: rather name a file."),
    ] = None,
    webhook_file: Annotated[
        Path | None, typer.Option(help="File whose one line is the URL; default: notify.webhook_file.")
    ] = None,
    redis_url: RedisUrl = None,
    once: Annotated[bool, typer.Option("--once", help="Deliver what waits, then end.")] = False,
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning", help="At the very first start tell of the past too, not only of news."
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every attempt.")] = False,
) -> None:
    """POSTs JSON with a `text`, at least once each; `idempotency-key` is the same for a repeat.

    What was told is remembered on the server (notify.position): a kill loses nothing. Exit codes: 0 stopped,
    3 bad input, 4 no server with --once.
    """
    with told_errors(), ExitStack() as stack:
        settings = settings_with(redis_url)
        set_up(settings, verbose=verbose, fields={"service": "notify"})
        own = settings.notify
        file = webhook_file if webhook_file is not None or webhook is not None else own.webhook_file
        url = read_webhook(webhook, file)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        server = settings.redis.effective_url
        if server is None:
            server = stack.enter_context(EmbeddedServer(settings.server_path)).url
        redis = stack.enter_context(
            connect_sync(
                server, cluster=settings.redis.cluster, socket_timeout=settings.redis.socket_timeout_s
            )
        )
        hook = Webhook(url, stop, own.timeout_s, own.longest_pause_s)
        stack.callback(hook.close)
        streams = sources(settings.stream.partitions)
        positions = Positions(redis, streams)
        courier = Courier(positions, streams, hook, stop, own.page_entries)
        positions.begin(from_beginning=from_beginning)
        logging.getLogger("bands").info("telling of %s", ", ".join(streams))
        if once:
            courier.deliver_all()
        else:
            courier.serve(own.poll_interval_s)
    sys.exit(0)
