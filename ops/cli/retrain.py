"""Ask for a retraining, and follow it to its end."""

from __future__ import annotations

import getpass
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from contracts.connect import connect_sync
from contracts.events import RetrainRequest, RetrainStatus
from contracts.topics import RETRAIN_STATUS, Topics
from ops.cli.options import Json, RedisUrl, settings_with
from ops.console import FAILED, err, out, print_json, told_errors
from ops.embedded import EmbeddedServer
from ops.settings.sections import RedisSettings

EXAMPLE = 'Example: bands retrain --reason "a new venue was added" --wait'
BLOCK_MS = 1_000


def run(
    reason: Annotated[str, typer.Option(help="Why; it stays with the run.")],
    bundle: Annotated[
        str | None, typer.Option(help="Label of the bundle to replace; default: whichever is champion.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who asks; default: your user name.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also within the cooldown, or of a former champion.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Show the progress until it has ended.")] = False,
    redis_url: RedisUrl = None,
    as_json: Json = False,
) -> None:
    """A running `bands retrainer` serves the request; this prints its id.

    With --wait the exit code is 0 when a challenger was registered, and 1 when the gates said no-go, or
    the run failed or was skipped.
    """
    with told_errors(), ExitStack() as stack:
        settings = settings_with(redis_url)
        url = settings.redis.effective_url or stack.enter_context(EmbeddedServer(settings.server_path)).url
        client = _client(url, settings.redis)
        now = datetime.now(UTC)
        request = RetrainRequest(
            id=f"manual-{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}",
            at=now,
            requested_by=by or getpass.getuser(),
            reason=reason,
            bundle=bundle,
            force=force or None,
        )
        after = _last(client)
        client.xadd(Topics(0, settings.stream.partitions).retrain, {"data": request.to_wire()})
        if not wait:
            _tell(request.id, None, as_json=as_json)
            return
        if not as_json:
            out.print(request.id, highlight=False)
        last = None
        for status in follow(client, request.id, after):
            last = status
            if not as_json:
                _show(status)
        _tell(request.id, last, as_json=as_json)
    if last is None or last.stage != "registered":
        raise typer.Exit(FAILED)


def follow(client: Any, run_id: str, after: str) -> Iterator[RetrainStatus]:
    """The statuses of one run behind the entry `after`, as they come, to its final one.

    An outage of the server is waited out.
    """
    while True:
        try:
            reply = client.xread({RETRAIN_STATUS: after}, count=100, block=BLOCK_MS)
        except (RedisError, OSError) as error:
            err.print(f"waiting for the server: {error}", markup=False, highlight=False)
            time.sleep(2.0)
            continue
        for entry, fields in reply[0][1] if reply else []:
            after = entry.decode()
            try:
                status = RetrainStatus.from_wire(fields.get(b"data", b""))
            except ValidationError:
                continue
            if status.id == run_id:
                yield status
                if status.is_final:
                    return


def _client(url: str, own: RedisSettings) -> Any:
    # Without retries: an XADD sent again after a lost reply would ask twice.
    return connect_sync(
        url, cluster=own.cluster, socket_timeout=own.socket_timeout_s, retry=Retry(NoBackoff(), 0)
    )


def _last(client: Any) -> str:
    newest = client.xrevrange(RETRAIN_STATUS, count=1)
    return newest[0][0].decode() if newest else "0-0"


def _show(status: RetrainStatus) -> None:
    out.print(
        f"{status.at:%H:%M:%S} {status.progress:4.0%} {status.stage:<10} {status.detail}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _tell(run_id: str, last: RetrainStatus | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": run_id, "status": last.model_dump(mode="json", by_alias=True) if last else None})
    elif last is None:
        out.print(run_id, highlight=False)
