"""The registry: whether it answers, what its aliases point at, and whether workers could follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.model.bundle import Bundle, SignatureError
from contracts.model.snapshot import SnapshotError
from contracts.topics import Topics
from offline.registry import Lineup as Registry
from offline.registry import Registered, RegistryError, read_lineup, registry, require_signed
from ops.deployment.finding import Finding
from ops.deployment.recompute import read_moment
from ops.deployment.workers import addresses, report, serves
from ops.security.signing import trusted_of
from ops.settings import Settings
from worker.lineup import Lineup


def registry_findings(settings: Settings) -> Iterator[Finding]:
    """Champion, and what else stands behind an alias."""
    if settings.deploy.source == "folder":
        yield Finding("registry", "pass", "not used: workers serve releases/current (deploy.source)")
        return
    if settings.registry.tracking_uri is None and not (settings.mlflow_path / "mlflow.db").exists():
        yield Finding("registry", "pass", "SQLite in the workspace, empty: the first deployment fills it")
        return
    try:
        found = _lineup(settings)
    except RegistryError as error:
        yield Finding(
            "registry", "fail", str(error).partition(";")[0], "start it, or correct registry.tracking_uri"
        )
        return
    named = {"champion": found.champion, "challenger": found.challenger, "previous": found.previous}
    told = ", ".join(f"@{alias} {one.label}" for alias, one in named.items() if one is not None)
    yield Finding("registry", "pass", told or "answers, without a champion yet")
    if found.champion is not None:
        yield from _way_back(settings, found.champion)


def _way_back(settings: Settings, champion: Registered) -> Iterator[Finding]:
    """A champion that no trusted key has signed serves on, but can not be put back once it is replaced."""
    if (trusted := trusted_of(settings)) is None:
        return
    try:
        with registry(settings.registry_uri, settings.registry.timeout_s) as client:
            key = require_signed(client, champion.version, trusted)
    except SignatureError as error:
        told, _, _ = str(error).partition(";")
        advice = "sign it with a trusted key and publish it again, or keep a signed @contingency"
        yield Finding("way back", "warn", f"@champion {champion.label} could not be put back: {told}", advice)
    else:
        yield Finding("way back", "pass", f"@champion {champion.label} is signed by trusted key {key}")


def _lineup(settings: Settings) -> Registry:
    with registry(settings.registry_uri, settings.registry.timeout_s) as client:
        return read_lineup(client)


def switch_findings(client: Any, settings: Settings, bundle: Bundle) -> Iterator[Finding]:
    """Whether each partition could go on with this bundle from what it has folded."""
    count = settings.stream.partitions
    for partition in range(count):
        name = "switch" + (f" of partition {partition}" if count > 1 else "")
        try:
            now = read_moment(client, Topics(partition, count), ())
        except SnapshotError as error:
            yield Finding(name, "fail", str(error), "serve with the release that wrote the state")
            continue
        reach = {leader: track.last_open_time for leader, track in now.state.leaders.items()}
        problem = Lineup(bundle).refusal(now.newest_open, reach)
        if problem:
            yield Finding(name, "fail", problem.partition(";")[0], "train it on bars up to now")
        else:
            folded = len(now.state.symbols)
            told = (
                f"goes on from {folded} folded symbols" if folded else "starts from the bundle's own states"
            )
            yield Finding(name, "pass", told)


def worker_findings(settings: Settings, *, needed: bool) -> Iterator[Finding]:
    """Whether a worker of each partition answers; a fresh one that waits for its first bundle does."""
    for partition, address in enumerate(addresses(settings)):
        told = report(address)
        name = f"worker of partition {partition}"
        if not told:
            status = "fail" if needed else "warn"
            yield Finding(name, status, f"nobody answers at {address}", "start it; set deploy.workers")  # type: ignore[arg-type]
        elif (found := told.get("partition", partition)) != partition:
            yield Finding(name, "fail", f"{address} serves partition {found}", "correct deploy.workers")
        elif (why := serves(told, None)) is not None:
            yield Finding(name, "warn", f"{address}: {why}")
        else:
            yield Finding(name, "pass", f"{address} serves {told.get('bundle')}")
