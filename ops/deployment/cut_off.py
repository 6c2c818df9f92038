"""A deployment that was cut off: gone on with, taken back, or left where others came after it."""

from __future__ import annotations

from typing import Any

from ops.deployment.back import go_back
from ops.deployment.check import check
from ops.deployment.errors import DeploymentError
from ops.deployment.finding import failures
from ops.deployment.install import current
from ops.deployment.job import Job, Tell
from ops.deployment.package import Opened
from ops.deployment.record import Deployment, unfinished
from ops.deployment.switch import Switch, moved_since
from ops.settings import Settings


def take_back_unfinished(settings: Settings, client: Any, tell: Tell, why: str) -> Job | None:
    """Put back what ran before a deployment that was cut off; None when there is none.

    Raises:
        DeploymentError: it could not be put back.
    """
    found = unfinished(settings)
    if found is None:
        return None
    folder, record = found
    job = Job(settings, client, folder, record, tell)
    go_back(job, why)
    return job


def overtaken(settings: Settings, client: Any, record: Deployment) -> bool:
    """Whether others have released since a deployment was cut off: then there is nothing to go on with."""
    if settings.deploy.source == "folder":
        return record.switching and current(settings) not in {
            record.release,
            record.before.current if record.before else None,
        }
    if not record.switching or record.before is None:
        return False
    switch = Switch(settings, client)
    switch.complete()
    return moved_since(switch.lineup(), record.before, record.bundle_sha256)


def clear_the_way(settings: Settings, client: Any, package: Opened, cut_off: Deployment, tell: Tell) -> None:
    """Take a deployment that was cut off back, once this package is known to be fit for its place."""
    if bad := failures(check(settings, package, role="ops", workers_needed=True)):
        told = "; ".join(f"{one.name}: {one.evidence}" for one in bad)
        raise DeploymentError(
            f"expected the check to pass, found {told}. The deployment of {cut_off.version} that was cut off "
            "stays as it is; `bands rollback` takes it back"
        )
    try:
        take_back_unfinished(settings, client, tell, f"cut off; {package.version} is deployed instead")
    except DeploymentError as error:
        if unfinished(settings) is not None:
            raise
        tell(f"{error}; {package.version} is deployed over it")
