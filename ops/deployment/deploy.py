"""`bands deploy`: from a verified package to a proven release, or back to what ran before."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.connect import nodes_of
from contracts.errors import BadInputError
from offline.registry import publish
from ops.audit.bundles import find_folders
from ops.deployment.back import go_back, restart
from ops.deployment.backup import back_up
from ops.deployment.baseline import baseline, derived_bands, stream_ends, wait_first_bands
from ops.deployment.check import check
from ops.deployment.checks.prediction import proper
from ops.deployment.cut_off import clear_the_way, overtaken
from ops.deployment.errors import DeploymentError
from ops.deployment.finding import Finding, failures
from ops.deployment.install import bundle_in, current, install, point_current, relative, releases_path
from ops.deployment.job import Job, Tell
from ops.deployment.package import MODELS, Opened, signoffs
from ops.deployment.record import Before, Deployment, new_folder, now, unfinished
from ops.deployment.smoke import smoke
from ops.deployment.switch import Switch
from ops.deployment.workers import addresses, wait_serving
from ops.settings import Settings

SECOND_LOOK_S = 5.0
"""A lease renewed late or a node that stalls heals by itself; what fails twice does not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person who deploys says."""

    by: str
    why: str
    wait: bool = True


def deploy(settings: Settings, client: Any, package: Opened, asked: Asked, tell: Tell) -> Job:
    """Deploy a package; returns once its first bands were seen and the baseline is written.

    Hold `alone` around it. One that was cut off goes on where it was when the same package is given, and is
    taken back first when another one is.

    Raises:
        BadInputError: not signed off by both roles, or another package of this version is installed.
        DeploymentError: a step failed and what ran before was put back, as the record says.
        KeyboardInterrupt: after going back.
    """
    signoffs(package.folder, package.bundle.sha256, settings)
    job = _begin(settings, client, package, asked, tell)
    try:
        for name, step in STEPS:
            if job.record.done(name):
                continue
            with job.step(name) as on_record:
                on_record.detail = step(job, package, asked)
        job.end("done")
    except KeyboardInterrupt:
        go_back(job, "interrupted")
        raise
    except Exception as error:
        told = next(iter(str(error).splitlines()), type(error).__name__)
        go_back(job, told)
        if isinstance(error, (BadInputError, DeploymentError)):
            raise
        raise DeploymentError(f"{type(error).__name__}: {told}") from error
    return job


def _begin(settings: Settings, client: Any, package: Opened, asked: Asked, tell: Tell) -> Job:
    found = unfinished(settings)
    if found is not None:
        folder, record = found
        was_returning = any(one.name == "return" for one in record.steps)
        same = record.package_sha256 == package.verified.sha256
        going_on = record.status == "running" and same and not was_returning
        if going_on and not overtaken(settings, client, record):
            last = record.steps[-1].name if record.steps else "the beginning"
            tell(f"going on with the deployment of {record.started_at:%Y-%m-%d %H:%M}Z, cut off at: {last}")
            record.steps = [one for one in record.steps if one.outcome != "running"]
            return Job(settings, client, folder, record, tell)
        clear_the_way(settings, client, package, record, tell)
    began = now()
    folder = new_folder(settings, package.version, began)
    record = Deployment(
        id=uuid.uuid4().hex,
        version=package.version,
        package=str(package.source),
        package_sha256=package.verified.sha256,
        bundle=package.bundle.label,
        bundle_sha256=package.bundle.sha256,
        by=asked.by,
        why=asked.why,
        source=settings.deploy.source,
        started_at=began,
    )
    job = Job(settings, client, folder, record, tell)
    job.save()
    return job


def _check(job: Job, package: Opened, _asked: Asked) -> str:
    if job.record.source != job.settings.deploy.source:
        raise DeploymentError("expected deploy.source to stay what it was when this deployment began")
    found = check(job.settings, package, role="ops", workers_needed=True)
    job.write("check.json", _json([one.to_json() for one in found]))
    _refuse("the check", found)
    warned = [one.name for one in found if one.status != "pass"]
    return f"{len(found) - len(warned)} passed" + (f", see {', '.join(warned)}" if warned else "")


def _backup(job: Job, _package: Opened, _asked: Asked) -> str:
    settings = job.settings
    if settings.deploy.source == "registry":
        switch = Switch(settings, job.client)
        switch.complete()
        before = Before.of(switch.lineup(), current(settings))
    else:
        before = Before(current=current(settings))
    told = back_up(settings, job.client, before, job.folder / "backup")
    job.record.before = before
    return told


def _install(job: Job, package: Opened, _asked: Asked) -> str:
    folder, is_new = install(package, job.settings)
    job.record.release = relative(folder, job.settings)
    return f"{'unpacked to' if is_new else 'already in'} {folder}"


def _publish(job: Job, _package: Opened, _asked: Asked) -> str:
    if job.settings.deploy.source == "folder":
        return "not needed: workers serve the folder"
    version, is_new = _registered(job)
    return f"version {version}{'' if is_new else ', already there'}"


def _registered(job: Job) -> tuple[str, bool]:
    settings = job.settings
    own = settings.registry.tracking_uri
    published = publish(
        releases_path(settings) / str(job.record.release) / MODELS,
        settings.registry_uri,
        artifacts=None if own else settings.mlflow_path / "artifacts",
        alias=None,
    )
    return published.version, published.is_new


def _switch(job: Job, package: Opened, asked: Asked) -> str:
    settings, record = job.settings, job.record
    if not record.switching:
        record.ends = stream_ends(job.client, settings)
        times = [node.time() for node in nodes_of(job.client).values()]
        record.switched_at = min(seconds + micro / 1e6 for seconds, micro in times)
        record.switching = True
        job.save()
    told = ""
    if settings.deploy.source == "registry":
        version, _ = _registered(job)
        switch = Switch(settings, job.client)
        switch.complete()
        why = asked.why or f"deployment of {package.version}"
        release = switch.install(version, package.bundle.label, by=asked.by, why=why)
        told = f"@champion is version {version}" + ("" if release else " already")
    # Where workers follow the registry the link only tells what is meant, so it comes last.
    point_current(settings, record.release)
    if settings.deploy.source == "folder":
        told = f"releases/current is {record.release}; {restart(settings)}"
    return told


def _workers(job: Job, package: Opened, _asked: Asked) -> str:
    settings = job.settings
    where = addresses(settings)
    if settings.deploy.source == "folder" and not settings.deploy.restart:
        job.tell("RESTART THE WORKERS NOW: they read releases/current when they start")
    timeout = settings.deploy.ready_timeout_s
    missing = wait_serving(where, package.bundle.sha256, timeout)
    if missing:
        told = "; ".join(f"{address}: {why}" for address, why in missing.items())
        raise DeploymentError(
            f"expected every worker to serve {package.bundle.label} within {timeout:g} s, found {told}"
        )
    return f"{len(where)} serve{'s' if len(where) == 1 else ''} {package.bundle.label}"


def _smoke(job: Job, package: Opened, _asked: Asked) -> str:
    settings = job.settings
    extra = [releases_path(settings) / str(job.record.release) / MODELS]

    def look() -> list[Finding]:
        return smoke(
            settings,
            job.client,
            bundle_sha256=package.bundle.sha256,
            folders=find_folders(settings, extra),
            since=job.record.switched_at,
            stale="warn",
        )

    if failures(found := look()):
        time.sleep(SECOND_LOOK_S)
        found = look()
    job.write("smoke.json", _json([one.to_json() for one in found]))
    _refuse("the smoke test", found)
    warned = [one.name for one in found if one.status != "pass"]
    return f"{len(found) - len(warned)} passed" + (f", see {', '.join(warned)}" if warned else "")


def _first_bands(job: Job, package: Opened, asked: Asked) -> str:
    if not asked.wait:
        bands = derived_bands(job.client, job.settings, package.bundle)
        job.write("first_bands.json", _json(bands))
        _refuse_improper(bands)
        return f"not waited for; {len(bands)} derived from the newest bars"
    timeout = job.settings.deploy.first_band_timeout_s
    job.tell(f"waiting up to {timeout / 3_600:.1f} h for the next bar (--no-wait does without)")
    first = wait_first_bands(job.client, job.settings, package.bundle.label, job.record.ends, timeout)
    bands = first.bands
    if not bands and first.faults:
        raise DeploymentError(f"expected bands of the new bundle, found {'; '.join(first.faults[:4])}")
    _refuse_improper(bands)
    if not bands:
        job.write("first_bands.json", _json(derived_bands(job.client, job.settings, package.bundle)))
        came = (
            f"no bar that a band was due for, only {'; '.join(first.excused[:4])}"
            if first.excused
            else "no bar"
        )
        loud = "NO BAND WAS DUE" if first.excused else "NO BAR ARRIVED"
        job.tell(f"{loud}: the switch stands, the feed needs a look; the first bands are unproven")
        return f"{came} arrived in time; derived from the newest bars instead"
    job.write("first_bands.json", _json(bands))
    return f"{len(bands)} bands of {', '.join(sorted({b['symbol'] for b in bands}))}"


def _baseline(job: Job, package: Opened, _asked: Asked) -> str:
    first = json.loads((job.folder / "first_bands.json").read_bytes())
    told = baseline(job.client, job.settings, package.bundle, first)
    file = job.write("baseline.json", _json(told))
    one = told["prediction"]
    return f"{one['mean_ms']:.2f} ms mean, {one['p95_ms']:.2f} ms p95 a prediction; {file}"


STEPS: tuple[tuple[str, Callable[[Job, Opened, Asked], str]], ...] = (
    ("check", _check),
    ("backup", _backup),
    ("install", _install),
    ("publish", _publish),
    ("switch", _switch),
    ("workers", _workers),
    ("smoke", _smoke),
    ("first bands", _first_bands),
    ("baseline", _baseline),
)


def is_live(settings: Settings, client: Any, package: Opened) -> bool:
    """Whether this very package is what runs: then a deployment has nothing to do."""
    if unfinished(settings) is not None:
        return False
    target = current(settings)
    if target is None or bundle_in(target, settings) != package.bundle.sha256:
        return False
    if settings.deploy.source == "folder":
        return True
    champion = Switch(settings, client).lineup().champion
    return champion is not None and champion.sha256 == package.bundle.sha256


def _refuse(what: str, found: list[Finding]) -> None:
    if bad := failures(found):
        told = "; ".join(f"{one.name}: {one.evidence}" for one in bad)
        raise DeploymentError(f"expected {what} to pass, found {told}")


def _refuse_improper(bands: list[dict[str, Any]]) -> None:
    wrong = [
        f"{b['symbol']} T{b['horizon_bars']}"
        for b in bands
        if not proper(tuple((b["returns"] or {}).values()))
    ]
    if wrong:
        raise DeploymentError(f"expected finite, nested first bands, found others: {', '.join(wrong[:6])}")


def _json(told: Any) -> bytes:
    return json.dumps(told, indent=2, allow_nan=False).encode() + b"\n"
