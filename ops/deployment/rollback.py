"""`bands rollback`: the aliases, and with them the link to the installed release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from contracts.errors import BadInputError
from contracts.events import Release
from ops.deployment.back import restart
from ops.deployment.cut_off import take_back_unfinished
from ops.deployment.errors import DeploymentError
from ops.deployment.install import bundle_in, current, point_current, relative, release_of
from ops.deployment.job import Tell
from ops.deployment.record import now, records, save
from ops.deployment.switch import Switch, contingency
from ops.release import ReleaseRefusedError
from ops.settings import Settings

To = Literal["previous", "contingency"]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What a rollback did: the release's entry where aliases moved, the link's target, the bundle meant."""

    release: Release | None
    current: str | None
    bundle_sha256: str | None
    notes: tuple[str, ...] = ()


def roll_back(settings: Settings, client: Any, *, to: To, by: str, why: str, tell: Tell) -> RolledBack:
    """Go back to the champion before, or to the contingency. Hold `alone` around it.

    A deployment that was cut off is taken back instead: what ran before it runs again. A rollback that was
    cut off is completed, not made twice. Where others have released since a deployment was cut off, that one
    is left alone, and today's champion is rolled back. The contingency comes even where a return fails.

    Raises:
        ReleaseRefusedError: there is nothing to go back to.
        BadInputError: nothing stands behind @contingency, or workers serve the folder, which has none.
        DeploymentError: what ran before a cut-off deployment could not be put back.
    """
    if to == "contingency":
        _clear_for_contingency(settings, client, tell)
    else:
        job = take_back_unfinished(settings, client, tell, why or "rolled back")
        if job is not None and job.record.status != "left":
            before = job.record.before
            sha256 = before.champion.sha256 if before and before.champion else None
            return RolledBack(
                None, current(settings), sha256, ("the deployment that was cut off is taken back",)
            )
    if settings.deploy.source == "folder":
        return _by_link(settings)
    return _by_registry(settings, client, to, by, why, tell)


def _clear_for_contingency(settings: Settings, client: Any, tell: Tell) -> None:
    if settings.deploy.source == "folder":
        raise BadInputError(
            "expected a registry, which keeps @contingency, found deploy.source folder; `bands deploy "
            "--package FILE` installs the contingency's own package"
        )
    contingency(settings)  # before anything is touched: without one there is nowhere to go
    try:
        if take_back_unfinished(settings, client, tell, "the contingency is asked for") is not None:
            tell("now the contingency")
    except (DeploymentError, BadInputError) as error:
        tell(f"{error}; the contingency nevertheless")


def _by_registry(settings: Settings, client: Any, to: To, by: str, why: str, tell: Tell) -> RolledBack:
    switch = Switch(settings, client)
    done = switch.complete()
    if done is not None:
        tell(f"completed a {done.action} to {done.to_bundle} that was cut off")
    if to == "contingency":
        done = switch.to_contingency(settings, by=by, why=why)
    elif done is None or done.action != "rollback":
        done = switch.rollback(by=by, why=why)
    champion = switch.lineup().champion
    sha256 = champion.sha256 if champion is not None else None
    return RolledBack(done, *_follow(settings, sha256))


def _follow(settings: Settings, sha256: str | None) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Point the link at the release of the champion, where one is installed."""
    before = current(settings)
    if before is None or sha256 is None:
        return before, sha256, ()
    folder = release_of(sha256, settings)
    if folder is None:
        note = f"releases/{before} stays current on disk: no installed release holds bundle {sha256[:12]}"
        return before, sha256, (note,)
    point_current(settings, relative(folder, settings))
    _mark(settings, sha256)
    return current(settings), sha256, ()


def _by_link(settings: Settings) -> RolledBack:
    """Without a registry: the release that was current before the last deployment that was done."""
    here = current(settings)
    last = next(
        ((folder, one) for folder, one in records(settings) if one.status == "done" and one.release == here),
        None,
    )
    target = last[1].before.current if last is not None and last[1].before is not None else None
    if target is None:
        raise ReleaseRefusedError(
            f"expected a release before {here or 'the first one'} to go back to, found none; `bands deploy` "
            "an earlier version"
        )
    sha256 = bundle_in(target, settings)
    if sha256 is None:
        raise DeploymentError(f"expected a bundle in releases/{target}, found none")
    point_current(settings, target)
    _mark(settings, sha256)
    return RolledBack(None, target, sha256, (restart(settings),))


def _mark(settings: Settings, sha256: str) -> None:
    """The newest deployment that was done and is no longer meant has been rolled back."""
    for folder, one in records(settings):
        if one.status == "done":
            if one.bundle_sha256 != sha256:
                one.status, one.ended_at = "rolled_back", now()
                save(one, folder)
            return
