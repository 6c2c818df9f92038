"""Whether what runs really serves: workers, their pages, the newest records, one band computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from prometheus_client.parser import text_string_to_metric_families

from contracts.connect import beside
from contracts.model.bundle import Bundle, load_bundle
from contracts.model.grid import HORIZONS, iso
from contracts.topics import Topics, partition_of
from ops.deployment.checks.prediction import proper
from ops.deployment.finding import Finding, looked_at
from ops.deployment.recompute import Moment, predict_now, read_moment
from ops.deployment.workers import addresses, ask, report, serves
from ops.settings import Settings
from worker.lineup import share_of

Stale = Literal["fail", "warn"]
HOUR_S = 3_600.0
SHOWN = 4


def smoke(
    settings: Settings,
    client: Any,
    *,
    bundle_sha256: str | None = None,
    folders: Mapping[str, Path] | None = None,
    since: float | None = None,
    stale: Stale = "fail",
) -> list[Finding]:
    """Look at every partition; nothing is changed.

    Args:
        settings: whose workers and streams are looked at.
        client: a synchronous Redis client without decoding.
        bundle_sha256: what every worker must serve; None takes whatever each says it does.
        folders: bundle folders by sha256, to compute a band again.
        since: epoch seconds from which dead letters count; None is an hour ago.
        stale: how an old newest band counts; a switch is not to blame for a feed that stopped.
    """
    found: list[Finding] = []
    count = settings.stream.partitions
    loaded: dict[str, Bundle] = {}
    for partition, address in enumerate(addresses(settings)):
        where = f" of partition {partition}" if count > 1 else ""
        told = report(address)
        found.append(_worker(told, partition, address, bundle_sha256, where))
        found += _pages(address, where)
        topics = Topics(partition, count)
        letters = partial(_dead_letters, client, topics, settings, since)
        found += looked_at(f"dead letters{where}", letters, "look at bars.dead")
        for sha256 in (told.get("bundle_sha256"), told.get("challenger_sha256")):
            if sha256 and sha256 not in loaded and sha256 in (folders or {}):
                loaded[sha256] = load_bundle((folders or {})[sha256], accelerate=False)
        newest = partial(_newest, client, topics, told, loaded, settings, stale)
        found += looked_at(f"newest bands{where}", newest, "look at the worker's log")
    return found


def _worker(
    told: Mapping[str, Any], partition: int, address: str, bundle_sha256: str | None, where: str
) -> Finding:
    name = f"worker{where}"
    if (found := told.get("partition", partition)) != partition:
        return Finding(name, "fail", f"{address} serves partition {found}", "correct deploy.workers")
    if (why := serves(dict(told), bundle_sha256)) is not None:
        return Finding(name, "fail", f"{address}: {why}", f"look at {address}/ready and the worker's log")
    line = f"ready with {told['bundle']}, lag {told.get('lag')}, pending {told.get('pending')}"
    if notes := told.get("notes"):
        return Finding(name, "warn", f"{line}; {'; '.join(notes.values())}", "see its notes")
    return Finding(name, "pass", line)


def _pages(address: str, where: str) -> Iterator[Finding]:
    status, body = ask(f"{address}/metrics")
    try:
        ready = [
            s.value
            for f in text_string_to_metric_families(body.decode())
            for s in f.samples
            if s.name == "bands_ready"
        ]
    except ValueError:
        ready = []
    good = status == 200 and bool(ready)
    told = (
        "answers, bands_ready is there" if good else f"status {status}, {len(body)} bytes without bands_ready"
    )
    yield Finding(
        f"metrics{where}", "pass" if good else "fail", told, "" if good else f"look at {address}/metrics"
    )
    status, body = ask(f"{address}/asyncapi.json")
    try:
        version = json.loads(body).get("asyncapi", "")
    except (ValueError, AttributeError):
        version = ""
    good = status == 200 and str(version).startswith("3")
    told = f"AsyncAPI {version}" if good else f"status {status}, no AsyncAPI 3 document"
    yield Finding(f"docs{where}", "pass" if good else "fail", told, "" if good else f"look at {address}/docs")


def _dead_letters(client: Any, topics: Topics, settings: Settings, since: float | None) -> Iterator[Finding]:
    seconds, _ = client.time(**beside(client, topics.dead))
    start = since if since is not None else seconds - HOUR_S
    most = settings.deploy.dead_letters_max
    entries = client.xrevrange(topics.dead, "+", f"{int(start * 1_000)}", count=most + 1)
    told = f"{len(entries)}{' or more' if len(entries) > most else ''} since {iso(int(start))}"
    name = f"dead letters of {topics.dead}" if topics.partitions > 1 else "dead letters"
    if len(entries) > most:
        yield Finding(
            name, "fail", told, "read them: XREVRANGE bars.dead + - COUNT 5; the feed may be broken"
        )
    else:
        yield Finding(name, "pass", told)


def _newest(
    client: Any,
    topics: Topics,
    told: Mapping[str, Any],
    loaded: Mapping[str, Bundle],
    settings: Settings,
    stale: Stale,
) -> Iterator[Finding]:
    where = f" of partition {topics.partition}" if topics.partitions > 1 else ""
    champion = loaded.get(str(told.get("bundle_sha256")))
    known = set(champion.symbols) if champion is not None else set()
    known |= {name.decode() for name in client.hkeys(topics.state) if not name.startswith(b"_")}
    symbols = tuple(sorted(s for s in known if partition_of(s, topics.partitions) == topics.partition))
    now = read_moment(client, topics, symbols)
    yield _present(now, symbols, where)
    yield _age(client, now, settings, stale, where)
    yield _again(now, told, loaded, where)


def _present(now: Moment, symbols: Sequence[str], where: str) -> Finding:
    name = f"newest records{where}"
    silent = [s for s in symbols if not now.latest[s]]
    partly = [
        f"{s} T{h}"
        for s in symbols
        if now.latest[s]
        for h in HORIZONS
        if h not in now.latest[s] and f"{s} T{h}" not in now.broken
    ]
    wrong = [f"{what}: {why}" for what, why in now.broken.items()]
    bands = [one for by_horizon in now.latest.values() for one in by_horizon.values()]
    wrong += [
        f"{one.symbol} T{one.horizon_bars} is not finite and ordered"
        for one in bands
        if one.returns is not None and not proper(tuple(one.returns.model_dump().values()))
    ]
    wrong += [f"{one} is missing" for one in partly]
    if wrong:
        return Finding(name, "fail", "; ".join(wrong[:SHOWN]), "look at the worker's log")
    if not bands:
        return Finding(name, "unknown", "no bar has been answered yet", "let the feed send one")
    missing = [
        f"{s}: {one.reason}"
        for s in symbols
        if (one := next(iter(now.latest[s].values()), None)) and not one.is_band
    ]
    line = f"{len(symbols) - len(silent)} symbols × {len(HORIZONS)} horizons, all parse, quantiles in order"
    if silent or missing:
        told = "; ".join(
            [*missing[:SHOWN], *([f"no bar yet of {', '.join(silent[:SHOWN])}"] if silent else [])]
        )
        return Finding(name, "warn", f"{line}; {told}", "`bands explain SYMBOL` tells why")
    return Finding(name, "pass", line)


def _age(client: Any, now: Moment, settings: Settings, stale: Stale, where: str) -> Finding:
    name = f"age of the newest{where}"
    issued = [one.issued_at.timestamp() for by in now.latest.values() for one in by.values()]
    if not issued:
        return Finding(name, "unknown", "no record yet")
    seconds, _ = client.time()
    age = seconds - max(issued)
    told = f"issued {iso(int(max(issued)))}, {age / HOUR_S:.1f} h ago"
    if age > settings.deploy.max_age_s:
        return Finding(name, stale, told, "see whether the feed runs; replayed bars are old by nature")
    return Finding(name, "pass", told)


def _again(now: Moment, told: Mapping[str, Any], loaded: Mapping[str, Bundle], where: str) -> Finding:
    """The newest band of every symbol, computed again from the state it left: equal to the last bit."""
    name = f"a band computed again{where}"
    if now.newest_open is None:
        return Finding(name, "unknown", "no bar has been folded yet")
    equal, other, differ = 0, [], []
    for symbol, newest in now.latest.items():
        served = next((one for one in newest.values() if one.is_band), None)
        fold = now.state.symbols.get(symbol)
        if served is None or fold is None or fold.last_open_time != int(served.open_time.timestamp()):
            continue
        bundle = next((one for one in loaded.values() if one.label == served.bundle), None)
        if bundle is None:
            other.append(symbol)
            continue
        again = predict_now(now.state, bundle, symbol)
        for horizon, one in newest.items():
            if one.returns is None:
                continue
            if again is not None and tuple(again[horizon].quantiles) == tuple(
                one.returns.model_dump().values()
            ):
                equal += 1
            else:
                differ.append(f"{symbol} T{horizon}")
    if differ:
        return Finding(
            name, "fail", f"differ: {', '.join(differ[:SHOWN])}", "`bands explain`, then `bands audit`"
        )
    if equal:
        return Finding(name, "pass", f"{equal} newest bands equal to the last bit")
    if other:
        share = told.get("share") or 0.0
        named = [s for s in other if share_of(s) >= share]
        line = f"the newest bands of {', '.join((named or other)[:SHOWN])} are of a bundle not at hand"
        return Finding(name, "unknown", line, "after the next bar they will be of this one")
    return Finding(name, "unknown", "no newest band to compare with")
