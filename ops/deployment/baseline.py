"""First predictions after a switch, and the figures that later ones are compared with."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from contracts.events import Band
from contracts.model.bundle import Bundle
from contracts.model.grid import HORIZONS, LEVEL_NAMES
from contracts.topics import Topics, partition_of
from ops.deployment.checks.prediction import measure
from ops.deployment.recompute import predict_now, read_moment
from ops.deployment.workers import addresses, ask
from ops.settings import Settings

SCHEMA = "baseline/1"
LIBRARIES = ("quant-bands", "numpy", "redis", "faststream", "pydantic", "river")
POLL_S = 0.5
OTHERS_S = 60.0
"""How long bands are still waited for after a record that should have been one: a feed sends the symbols of
one close one after another, within seconds; an exchange that answers late takes its retries' time."""
LOOK_BACK = 1_000
"""Records of a stream within which a symbol's last one is looked for: five closes of 200 symbols."""
STEP, MEMORY = "bands_step_seconds", "process_resident_memory_bytes"


@dataclass(frozen=True, slots=True)
class First:
    """What came of a bundle: bands; in their place what is its fault; and what is the symbol's own."""

    bands: list[dict[str, Any]]
    faults: list[str]
    excused: list[str]


def stream_ends(client: Any, settings: Settings) -> dict[str, str]:
    """The last entry of each band stream, to know later which ones are new."""
    ends = {}
    for topics in _partitions(settings):
        for name in topics.all_bands:
            newest = client.xrevrange(name, "+", "-", count=1)
            ends[name] = newest[0][0].decode() if newest else "0"
    return ends


def wait_first_bands(
    client: Any,
    settings: Settings,
    label: str,
    ends: Mapping[str, str],
    timeout_s: float,
    tell: Callable[[float], None] = lambda _left: None,
) -> First:
    """Wait for bands of the bundle `label` on streams beyond `ends`; all is empty when no bar came in time.

    Excused is a symbol the bundle does not serve, one with bars missing, and one that warms up as it did
    before: they say nothing against the bundle, so others are waited for.
    """
    deadline = time.monotonic() + timeout_s
    banded = _banded(client, settings, ends)
    while True:
        first = _first(client, settings, label, ends, banded)
        if first.faults:
            deadline = min(deadline, time.monotonic() + OTHERS_S)
        # A bar's four records are one commit: one of them there, all are there.
        if first.bands or time.monotonic() > deadline:
            return first
        tell(deadline - time.monotonic())
        time.sleep(POLL_S)


def _first(
    client: Any, settings: Settings, label: str, ends: Mapping[str, str], banded: set[tuple[str, str]]
) -> First:
    first = First([], [], [])
    for entry, stream, record in _beyond(client, settings, ends):
        if record.is_band and record.bundle == label:
            first.bands.append(_told(record, entry, stream, client, settings))
        elif record.origin == "live" and not record.is_band and record.bundle in (label, None):
            excused = record.reason in {"unknown_symbol", "gap"} or (
                record.reason == "warming_up" and (stream, record.symbol) not in banded
            )
            told = f"{record.symbol} T{record.horizon_bars}: {record.reason}"
            (first.excused if excused else first.faults).append(told)
    return first


def _banded(client: Any, settings: Settings, ends: Mapping[str, str]) -> set[tuple[str, str]]:
    """Stream and symbol where the last record before the switch was a band."""
    found: dict[tuple[str, str], bool] = {}
    for topics in _partitions(settings):
        for name in topics.all_bands:
            for _, fields in client.xrevrange(name, ends.get(name, "0"), "-", count=LOOK_BACK):
                try:
                    record = Band.from_wire(fields[b"data"])
                except (ValidationError, KeyError):
                    continue
                found.setdefault((name, record.symbol), record.is_band)
    return {key for key, was_band in found.items() if was_band}


def derived_bands(client: Any, settings: Settings, bundle: Bundle) -> list[dict[str, Any]]:
    """What the bundle says of the newest bars, from the folded state; for those who do not wait."""
    found = []
    for topics in _partitions(settings):
        mine = tuple(s for s in bundle.symbols if partition_of(s, topics.partitions) == topics.partition)
        now = read_moment(client, topics, mine)
        for symbol in mine:
            served = next(iter(now.latest[symbol].values()), None)
            for horizon, one in (predict_now(now.state, bundle, symbol) or {}).items():
                told: dict[str, Any] = {
                    "symbol": symbol,
                    "horizon_bars": horizon,
                    "returns": dict(zip(LEVEL_NAMES, one.quantiles, strict=True)),
                    "derived": True,
                }
                if served is not None:
                    told |= {"issued_at": served.issued_at.isoformat(), "ref_price": served.ref_price}
                found.append(told)
    return found


def baseline(
    client: Any, settings: Settings, bundle: Bundle, first: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Latency, memory, throughput, versions and the first bands, as JSON types; None where not known."""
    info = client.info("server")
    one = info if "redis_version" in info else next(iter(info.values()))
    waited = sorted(b["latency_ms"] for b in first if b.get("latency_ms") is not None)
    return {
        "schema": SCHEMA,
        "bundle": bundle.label,
        "bundle_sha256": bundle.sha256,
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "prediction": asdict(measure(bundle)),
        "bar_to_band_ms": {"n": len(waited), "mean": sum(waited) / len(waited), "p95": p95(waited)}
        if waited
        else None,
        "workers": [_of_worker(address) for address in addresses(settings)],
        "first_bands": list(first),
        "versions": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "server": f"{'valkey' if 'valkey_version' in one else 'redis'} "
            f"{one.get('valkey_version') or one['redis_version']}",
            **{name: _version(name) for name in LIBRARIES},
        },
    }


def p95(values: Sequence[float]) -> float:
    """The smallest of ascending `values` that 95 % are not above.

    >>> p95([1.0, 2.0, 3.0])
    3.0
    """
    return values[max(0, math.ceil(0.95 * len(values)) - 1)]


def _of_worker(address: str) -> dict[str, Any]:
    """What a worker's own metrics say."""
    told: dict[str, Any] = {
        "address": address,
        "memory_mb": None,
        "step_mean_ms": None,
        "step_p95_ms": None,
        "steps": 0,
    }
    _, body = ask(f"{address}/metrics")
    buckets: list[tuple[float, float]] = []
    total = 0.0
    for family in text_string_to_metric_families(body.decode(errors="replace")):
        for sample in family.samples:
            match sample.name:
                case "bands_step_seconds_sum":
                    total += sample.value
                case "bands_step_seconds_count":
                    told["steps"] += int(sample.value)
                case "bands_step_seconds_bucket":
                    buckets.append((float(sample.labels["le"]), sample.value))
                case name if name == MEMORY:
                    told["memory_mb"] = round(sample.value / 1e6, 1)
    if told["steps"]:
        told["step_mean_ms"] = 1_000 * total / told["steps"]
        over = [le for le, count in sorted(buckets) if count >= 0.95 * told["steps"]]
        told["step_p95_ms"] = 1_000 * over[0] if over and math.isfinite(over[0]) else None
    return told


def _beyond(client: Any, settings: Settings, ends: Mapping[str, str]) -> Iterator[tuple[str, str, Band]]:
    for topics in _partitions(settings):
        for name in topics.all_bands:
            for entry, fields in client.xrange(name, f"({ends.get(name, '0')}", "+", count=200):
                try:
                    yield entry.decode(), name, Band.from_wire(fields[b"data"])
                except (ValidationError, KeyError):
                    continue


def _told(record: Band, entry: str, stream: str, client: Any, settings: Settings) -> dict[str, Any]:
    return {
        "symbol": record.symbol,
        "horizon_bars": record.horizon_bars,
        "issued_at": record.issued_at.isoformat(),
        "ref_price": record.ref_price,
        "returns": record.returns.model_dump() if record.returns else None,
        "prices": record.prices.model_dump() if record.prices else None,
        "stream": stream,
        "entry": entry,
        "latency_ms": _latency(client, settings, record, entry),
    }


def _latency(client: Any, settings: Settings, record: Band, entry: str) -> int | None:
    """Milliseconds on the server's clock from the bar's entry to the band's; None where the bar is gone."""
    count = settings.stream.partitions
    bars = Topics(partition_of(record.symbol, count), count).bars
    committed = int(entry.partition("-")[0])
    before = client.xrevrange(bars, entry, "-", count=20 * len(HORIZONS))
    opened = record.model_dump(mode="json")["open_time"]
    for bar, fields in before:
        told = b" ".join(fields.values())
        if record.symbol.encode() in told and opened.encode() in told:
            return committed - int(bar.decode().partition("-")[0])
    return None


def _partitions(settings: Settings) -> list[Topics]:
    return [Topics(p, settings.stream.partitions) for p in range(settings.stream.partitions)]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
