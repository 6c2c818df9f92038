"""The way back: aliases, link and workers as they were before a deployment."""

from __future__ import annotations

import shlex
import subprocess

from contracts.model.bundle import BundleError
from ops.deployment.alone import undisturbed
from ops.deployment.errors import DeploymentError
from ops.deployment.install import bundle_in, current, point_current
from ops.deployment.job import Job
from ops.deployment.record import Before
from ops.deployment.switch import MovedSinceError, NoWayBackError, ReleaseRefusedError, Switch
from ops.deployment.workers import addresses, wait_serving
from ops.settings import Settings

RESTART_TIMEOUT_S = 300


def go_back(job: Job, why: str) -> None:
    """Put back what ran before a deployment that failed; the record then says `returned`, `failed` when
    nothing had been switched, or `left` when somebody has released since: that stays.

    Whatever of it is done already stays done, so it may be repeated.

    Raises:
        DeploymentError: it could not be put back; the message says what stands where and what to do.
    """
    record = job.record
    with undisturbed():
        if not record.switching or record.before is None:
            job.end("failed", why)
            job.tell(f"NOT DEPLOYED: {why}. Nothing had been switched; what ran before runs on")
            return
        job.tell(f"GOING BACK: {why}")
        try:
            with job.step("return") as step:
                try:
                    step.detail = _put_back(job, record.before, why)
                except MovedSinceError as error:
                    step.detail = str(error)
                    job.end("left", f"{why}; {error}")
                    job.tell(f"NOT PUT BACK: {error}")
                    return
        except NoWayBackError as error:
            # It is final: left open, it would stand in the way of every rollback and deployment.
            job.end("left", f"{why}; going back failed: {error}")
            raise DeploymentError(
                f"expected to go back to {_named(record.before)} after: {why}. Found: {error}. "
                f"{record.bundle} stays in its place, the record is {job.folder}; deploy another version, or "
                "`bands rollback --to contingency`"
            ) from error
        except Exception as error:
            job.end("return_failed", f"{why}; going back failed: {error}")
            raise DeploymentError(
                f"expected to go back to {_named(record.before)} after: {why}. Found: {error}. The record is "
                f"{job.folder}, the copy of what ran is in its backup folder; `bands rollback` tries again"
            ) from error
        job.end("returned", why)
        job.tell(f"WENT BACK to {_named(record.before)}")


def restart(settings: Settings) -> str:
    """Restart the workers where they serve the link, by the command of the settings; what was done, in words.

    Raises:
        DeploymentError: the command fails.
    """
    if settings.deploy.source != "folder":
        return "workers follow the registry"
    if not settings.deploy.restart:
        return "restart the workers now: they read releases/current when they start (deploy.restart does it)"
    try:
        subprocess.run(
            shlex.split(settings.deploy.restart),
            check=True,
            capture_output=True,
            text=True,
            timeout=RESTART_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise DeploymentError(
            f"expected deploy.restart to restart the workers, found: {told.strip()[-300:]}; correct it"
        ) from error
    return "workers restarted"


def _put_back(job: Job, before: Before, why: str) -> str:
    settings = job.settings
    done = []
    if settings.deploy.source == "registry":
        switch = Switch(settings, job.client)
        try:
            if (cut_off := switch.complete()) is not None:
                done.append(f"completed a {cut_off.action} that was cut off")
        except ReleaseRefusedError as error:  # it is given up, and so no longer in the way
            done.append(str(error))
        release = switch.put_back(
            before,
            job.record.bundle_sha256,
            by=job.record.by,
            why=f"deployment {job.record.id} failed: {why}",
        )
        done.append("aliases put back" if release is not None else "aliases were never moved")
    elif current(settings) not in {before.current, job.record.release}:
        raise MovedSinceError(
            f"expected releases/current as this deployment left it, found that somebody has pointed it to "
            f"{current(settings)} since: it stays"
        )
    if current(settings) == job.record.release != before.current:
        point_current(settings, before.current)
        done.append("link put back")
    if settings.deploy.source == "folder":
        done.append(restart(settings))
    done.append(_confirm(job, before))
    return ", ".join(done)


def _confirm(job: Job, before: Before) -> str:
    """Wait until the workers serve it again; a worker that does not is told, and follows when it can."""
    settings = job.settings
    try:
        wanted = (
            bundle_in(before.current, settings)
            if settings.deploy.source == "folder"
            else before.champion.sha256
            if before.champion
            else None
        )
    except BundleError as error:
        raise DeploymentError(f"expected the release that ran before, found: {error}") from error
    if wanted is None:
        return "nothing ran before: workers serve what they hold until they are restarted"
    missing = wait_serving(addresses(settings), wanted, settings.deploy.ready_timeout_s)
    if missing:
        told = "; ".join(f"{address}: {why}" for address, why in missing.items())
        return f"NOT YET CONFIRMED by {told}"
    return "every worker serves it"


def _named(before: Before) -> str:
    if before.champion is not None:
        return before.champion.label
    return before.current or "nothing: there was no release before"
