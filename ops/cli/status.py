"""What runs, what is served, and every setting with where it comes from."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError
from rich.table import Table

from contracts.connect import beside, connect_sync
from contracts.events import Band, DriftAlert, Outcome, Release
from contracts.model.grid import HORIZONS
from contracts.topics import GROUP, Topics
from offline.registry import RegistryError, find_champion
from ops.cli.options import Json, RedisUrl, TrackingUri, settings_with
from ops.cli.release_options import line
from ops.console import UNAVAILABLE, out, print_json, told_errors
from ops.embedded.running import running_url
from ops.release import last_releases
from ops.settings import Settings
from ops.settings.sources import mask
from worker.outcomes import FIRST_LOOK
from worker.scoreboard import Scoreboard

EXAMPLE = "Example: bands status --json"
SHOWN = 3
"""Newest drift findings of a partition, and newest releases."""


def run(
    redis_url: RedisUrl = None,
    tracking_uri: TrackingUri = None,
    with_settings: Annotated[bool, typer.Option("--settings", help="List every setting too.")] = False,
    as_json: Json = False,
) -> None:
    """Ends with 0 when the server answers, 4 when it does not."""
    with told_errors():
        settings = settings_with(redis_url, tracking_uri)
        told = gather(settings)
        if as_json:
            print_json(told)
        else:
            _show(told, with_settings=with_settings)
    sys.exit(0 if told["server"]["up"] else UNAVAILABLE)


def gather(settings: Settings) -> dict[str, Any]:
    """Server, partitions, registry and settings as JSON types; nothing is started or changed."""
    url = settings.redis.effective_url or running_url(settings.server_path)
    told: dict[str, Any] = {
        "server": {"up": False, "url": mask(url) if url else None, "problem": None},
        "partitions": [],
        "releases": [],
        "registry": _registry(settings),
        "settings": [{"name": n, "value": v, "from": o} for n, v, o in settings.describe()],
    }
    if url is None:
        told["server"]["problem"] = "no embedded server runs; start one with `bands worker` or `bands server`"
        return told
    client: Any = None
    try:
        patience = settings.redis.socket_timeout_s
        client = connect_sync(url, cluster=settings.redis.cluster, socket_timeout=patience)
        info = client.info("server", **beside(client, Topics(0, settings.stream.partitions).bars))
        told["server"] |= {
            "up": True,
            "version": f"{'valkey' if 'valkey_version' in info else 'redis'} "
            f"{info.get('valkey_version') or info['redis_version']}",
        }
        told["partitions"] = [
            _partition(client, Topics(p, settings.stream.partitions))
            for p in range(settings.stream.partitions)
        ]
        told["releases"] = [one.model_dump(mode="json") for one in last_releases(client, SHOWN)]
    except RedisError as error:
        told["server"]["problem"] = f"{type(error).__name__}: {error}"
    finally:
        if client is not None:
            client.close()
    return told


def _partition(client: Any, topics: Topics) -> dict[str, Any]:
    owner = client.get(topics.lease)
    cursor = {k.decode(): v.decode() for k, v in client.hgetall(topics.cursor).items()}
    groups = [
        g
        for g in (client.xinfo_groups(topics.bars) if client.exists(topics.bars) else ())
        if g["name"].decode() == GROUP
    ]
    symbols = sorted(k.decode() for k in client.hkeys(topics.state) if not k.startswith(b"_"))
    swap = json.loads(cursor["bundle"]) if "bundle" in cursor else {}
    return {
        "partition": topics.partition,
        "owner": owner.decode() if owner else None,
        "cursor": cursor.get("entry"),
        "bundle": swap.get("label"),
        "challenger": swap.get("challenger", {}).get("label"),
        "share": swap.get("share", 0.0),
        "lag": groups[0].get("lag") if groups else None,
        "pending": groups[0]["pending"] if groups else None,
        "streams": {
            s: client.xlen(s)
            for s in (
                topics.bars,
                *topics.all_bands,
                *(topics.outcomes(h) for h in HORIZONS),
                topics.drift,
                topics.retrain,
                topics.dead,
            )
        },
        "symbols": {symbol: _newest(client, topics, symbol) for symbol in symbols},
        "standings": _standings(client, topics),
        "drift": [
            DriftAlert.from_wire(fields[b"data"]).model_dump(mode="json")
            for _, fields in client.xrevrange(topics.drift, count=SHOWN)
        ],
    }


def _standings(client: Any, topics: Topics) -> dict[str, dict[str, Any]]:
    """By symbol and horizon: what the outcomes of the last 90 days say."""
    board = Scoreboard()
    for horizon in HORIZONS:
        page = client.xrevrange(topics.outcomes(horizon), count=FIRST_LOOK)
        board.add(Outcome.from_wire(fields[b"data"]) for _, fields in page[::-1])
    told: dict[str, dict[str, Any]] = {}
    for symbol, horizon, standing in board.standings():
        told.setdefault(symbol, {})[f"T{horizon}"] = standing.to_json()
    return told


def _newest(client: Any, topics: Topics, symbol: str) -> dict[str, Any]:
    found = client.hgetall(topics.latest(symbol))
    records = {h: Band.from_wire(found[f"T{h}".encode()]) for h in HORIZONS if f"T{h}".encode() in found}
    told: dict[str, Any] = {"issued_at": None, "bands": {}}
    for horizon, record in records.items():
        told["issued_at"] = record.issued_at.isoformat().replace("+00:00", "Z")
        told["ref_price"] = record.ref_price
        told["bands"][f"T{horizon}"] = record.prices.model_dump() if record.prices else record.reason
    return told


def _registry(settings: Settings) -> dict[str, Any]:
    told: dict[str, Any] = {"uri": mask(settings.registry_uri), "champion": None, "problem": None}
    if settings.registry.tracking_uri is None and not (settings.mlflow_path / "mlflow.db").exists():
        return {**told, "problem": "empty; `bands publish` fills it"}
    try:
        champion = find_champion(settings.registry_uri, settings.registry.alias, settings.registry.timeout_s)
    except RegistryError as error:
        return {**told, "problem": str(error)}
    return {**told, "champion": {"version": champion.version, "label": champion.label}}


def _show(told: dict[str, Any], *, with_settings: bool) -> None:
    server, registry = told["server"], told["registry"]
    if server["up"]:
        out.print(f"server    [green]up[/]  {server['version']} at {server['url']}", highlight=False)
    else:
        out.print(f"server    [red]down[/]  {server['problem']}", highlight=False)
    champion = registry["champion"]
    shown = (
        f"champion {champion['label']} (version {champion['version']})" if champion else registry["problem"]
    )
    out.print(f"registry  {shown}", highlight=False)
    for part in told["partitions"]:
        owner = f"[green]owned by {part['owner'][:12]}…[/]" if part["owner"] else "[red]no owner[/]"
        out.print(
            f"partition {part['partition']}  {owner}, bundle {part['bundle']}{_shadow(part)}, lag "
            f"{part['lag']}, pending {part['pending']}, {part['streams'].get('bars.dead', 0)} dead letters",
            highlight=False,
        )
        _show_symbols(part["symbols"])
        _show_standings(part["standings"])
        for alert in part["drift"]:
            about = f"{alert['symbol']} {alert['channel']}" + (
                f" T{alert['horizon_bars']}" if alert["horizon_bars"] else ""
            )
            out.print(f"drift     {alert['at'][:16]}Z {about}: {alert['evidence']}", highlight=False)
    for release in told["releases"]:
        out.print(f"release   {line(Release.model_validate(release))}", highlight=False)
    if with_settings:
        table = Table(title="settings", title_justify="left")
        for column in ("name", "value", "from"):
            table.add_column(column)
        for row in told["settings"]:
            table.add_row(row["name"], str(row["value"]), row["from"])
        out.print(table)
    else:
        out.print("settings  `bands status --settings` lists them all", highlight=False)


def _show_symbols(symbols: dict[str, dict[str, Any]]) -> None:
    if not symbols:
        return
    title = f"newest bands, 5 % to 95 % ({datetime.now(UTC):%Y-%m-%d %H:%M} UTC now)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("symbol", "issued at", "price", *(f"T{horizon}" for horizon in HORIZONS)):
        table.add_column(column, justify="right", no_wrap=True)
    for symbol, newest in symbols.items():
        bands = [newest["bands"].get(f"T{horizon}", "none yet") for horizon in HORIZONS]
        cells = [b if isinstance(b, str) else f"{_price(b['q05'])}–{_price(b['q95'])}" for b in bands]
        issued = (newest["issued_at"] or "")[:16].replace("T", " ")
        table.add_row(symbol, issued, _price(newest.get("ref_price", 0.0)), *cells)
    out.print(table)


def _shadow(part: dict[str, Any]) -> str:
    if part["challenger"] is None:
        return ""
    share = f" serving {100 * part['share']:.0f} % of symbols" if part["share"] else ""
    return f", shadowed by {part['challenger']}{share}"


def _show_standings(standings: dict[str, dict[str, Any]]) -> None:
    if not standings:
        return
    title = "outcomes of the last 90 days: inside the 90 % / 50 % band, independent outcomes in brackets"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("symbol", *(f"T{horizon}" for horizon in HORIZONS)):
        table.add_column(column, justify="right", no_wrap=True)
    for symbol, by_horizon in standings.items():
        cells = [
            f"{100 * one['coverage_90']:.0f} / {100 * one['coverage_50']:.0f} % ({one['effective']:.1f})"
            if (one := by_horizon.get(f"T{horizon}"))
            else "none yet"
            for horizon in HORIZONS
        ]
        table.add_row(symbol, *cells)
    out.print(table)


def _price(price: float) -> str:
    return f"{price:,.0f}" if price >= 1_000 else f"{price:.4g}"
