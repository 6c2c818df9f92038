"""Push a file of bars through a worker and collect every record it answers with."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from redis import Redis

from contracts.errors import BadInputError
from contracts.events import Band, DeadLetter, Outcome
from contracts.files import write_atomic
from contracts.model.bundle import load_bundle
from contracts.model.grid import BAR_SECONDS
from contracts.model.snapshot import load_symbol
from contracts.topics import Topics, partition_of
from ops.cli.bar_files import read_histories
from ops.cli.options import BarFiles, Json, RedisUrl, Until, moment, settings_with
from ops.console import err, print_json, progress_bars, told_errors
from ops.embedded.running import running_url
from ops.replay import Replay, Replayed, ReplayError, merge_bars
from ops.session import fresh_session
from ops.settings import Settings

EXAMPLE = "Example: bands replay --bars binance_BTCUSDT_4h.parquet --out bands.jsonl"


def run(
    bars: BarFiles,
    symbol: Annotated[str | None, typer.Option(help="Replay this symbol only.")] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="Write records here, one JSON per line; default: stdout.")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Write the outcomes of the bands that closed here too.")
    ] = None,
    shadow: Annotated[
        Path | None, typer.Option(help="Write what a challenger said in shadow here, where there is one.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle for the embedded worker; default: the registry's champion.")
    ] = None,
    redis_url: RedisUrl = None,
    since: Annotated[
        str | None, typer.Option(help="First bar; default: the first one the worker has not folded yet.")
    ] = None,
    running: Annotated[
        bool, typer.Option("--running", help="Use the workspace's running worker; its live state moves on.")
    ] = False,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """An embedded worker answers; with --redis-url or --running a real one, whose live state then moves on.

    Records come in the order of the bars. The same bars and bundle give the same bytes.
    """
    with told_errors(), ExitStack() as stack:
        settings = settings_with(redis_url)
        histories = [h.between(None, moment(until)) for h, _ in read_histories(bars, symbol)]
        if settings.redis.cluster and (redis_url or running):
            raise BadInputError(
                "expected one server to replay on, found redis.cluster; leave --redis-url and --running "
                "away: a server of the workspace is started for it"
            )
        url, partitions = (
            (settings.redis.effective_url if redis_url else None) or (_served(settings) if running else None),
            settings.stream.partitions,
        )
        known: dict[str, int] = {}
        if url is None:
            session = stack.enter_context(
                fresh_session(settings.workspace_path / "replay", settings, bundle=bundle)
            )
            url, partitions = session.server.url, 1
            served = (
                bundle or settings.workspace_path / "champions" / session.worker.report()["bundle_sha256"]
            )
            states = load_bundle(served, accelerate=False).states
            known = {name: fold.last_open_time or 0 for name, fold in states.items()}
        known |= folded(url, [h.symbol for h in histories], partitions)
        start = moment(since)
        if start is None and not known:
            raise BadInputError(
                "expected --since, found a running worker that has folded none of these symbols yet: bars "
                "before the end of its bundle's training would all be late; the manifest tells that time"
            )
        chosen = [
            h.between(start - 1 if start is not None else known.get(h.symbol, 0) + BAR_SECONDS, None)
            for h in histories
        ]
        skipped = sum(map(len, histories)) - sum(map(len, chosen))
        replay = Replay(url, partitions)
        with progress_bars(quiet=as_json) as progress:
            replayed = replay.run(merge_bars(chosen), progress=lambda d, t: progress("replaying", d, t))
        replay.close()
        _write(outcomes, sorted(replayed.outcomes, key=_closing_order))
        _write(shadow, sorted(replayed.shadow, key=_time_order))
        _report(replayed, skipped, target, as_json=as_json)


def _served(settings: Settings) -> str:
    """The server of the workspace's running worker.

    Raises:
        ReplayError: there is none.
    """
    url = settings.redis.effective_url or running_url(settings.server_path)
    if url is not None:
        with Redis.from_url(url) as client:
            if client.exists(Topics(0, settings.stream.partitions).lease):
                return url
    raise ReplayError("expected a running worker for --running, found none; start one with `bands worker`")


def folded(url: str, symbols: list[str], partitions: int) -> dict[str, int]:
    """The newest bar (epoch seconds of its opening) a running worker has folded, by symbol."""
    client = Redis.from_url(url)
    found = {}
    for symbol in symbols:
        topics = Topics(partition_of(symbol, partitions), partitions)
        blob = client.hget(topics.state, symbol)
        if isinstance(blob, bytes):
            found[symbol] = load_symbol(blob).last_open_time or 0
    client.close()
    return found


def _time_order(line: bytes) -> tuple[str, str, int]:
    record = Band.from_wire(line)
    return (record.open_time.isoformat(), record.symbol, record.horizon_bars)


def _closing_order(line: bytes) -> tuple[str, str, int, str]:
    one = Outcome.from_wire(line)
    return one.target_time.isoformat(), one.symbol, one.horizon_bars, one.issued_at.isoformat()


def _write(target: Path | None, lines: list[bytes]) -> None:
    if target is not None:
        write_atomic(target, b"".join(line + b"\n" for line in lines))


def _report(replayed: Replayed, skipped: int, target: Path | None, *, as_json: bool) -> None:
    lines = sorted(replayed.records, key=_time_order)
    text = b"".join(line + b"\n" for line in lines)
    if target is not None:
        write_atomic(target, text)
    elif not as_json:
        sys.stdout.buffer.write(text)
    records = [Band.from_wire(line) for line in lines]
    dead = Counter(DeadLetter.from_wire(letter).reason for letter in replayed.dead)
    silent = Counter(record.reason for record in records if record.reason is not None)
    told = {
        "bars_pushed": replayed.pushed,
        "bars_skipped": skipped,
        "records": len(records),
        "bands": sum(record.is_band for record in records),
        "no_band": dict(silent),
        "outcomes": len(replayed.outcomes),
        "shadow": len(replayed.shadow),
        "dead_letters": dict(dead),
        "out": str(target) if target else None,
    }
    if as_json:
        print_json(told)
        return
    where = f" in {target}" if target else ""
    err.print(
        f"{replayed.pushed} bars pushed, {skipped} skipped (folded before, or outside the span); "
        f"{told['records']} records{where}, {told['bands']} of them bands; "
        f"{told['outcomes']} outcomes",
        highlight=False,
    )
    for what, counts in (("no band", silent), ("dead letters", dead)):
        if counts:
            err.print(f"{what}: " + ", ".join(f"{n} {reason}" for reason, n in counts.items()))
