"""The switch itself: aliases moved through `ops.release`, so that `releases` tells of it."""

from __future__ import annotations

import uuid
from typing import Literal

from contracts.errors import BadInputError
from contracts.events import Release
from contracts.model.bundle import SignatureError
from contracts.registry import CHALLENGER, CHAMPION, PREVIOUS
from offline.registry import Lineup, Registered, RegistryError, UnknownBundleError, find_bundle, find_champion
from ops.deployment.record import Alias, Before, now
from ops.release import Change, ReleaseRefusedError, Releases
from ops.settings import Settings

CONTINGENCY = "contingency"
"""The alias of the bundle that is kept for the case that champion and previous both fail."""
NONE = "none"


class MovedSinceError(ReleaseRefusedError):
    """Somebody has released after the deployment that is to be taken back; nothing was changed."""


class NoWayBackError(ReleaseRefusedError):
    """What ran before the deployment can not serve any more; nothing was changed."""


class Switch(Releases):
    """Changes of the champion that a deployment makes, each one entry on `releases`."""

    def install(self, version: str, label: str, *, by: str, why: str) -> Release | None:
        """Make a registered version the champion and the champion the previous one; None when it is so."""

        def plan(lineup: Lineup) -> Change | None:
            return _lead(lineup, version, label, "promote", by, why)

        return self._change(plan)

    def put_back(self, before: Before, deployed: str, *, by: str, why: str) -> Release | None:
        """Champion and previous as they were before the bundle of sha256 `deployed`; None when they are so.

        The challenger comes back where it was that bundle and nobody else has taken its place.

        Raises:
            MovedSinceError: somebody has released since.
            NoWayBackError: the champion of before is gone, or no trusted key has signed it.
        """
        was, previous = before.champion, before.previous
        if was is not None and not self._has(was):
            raise NoWayBackError(
                f"expected version {was.version} ({was.label}), the champion of before, in the registry, "
                "found it gone"
            )
        kept = previous if previous is not None and self._has(previous) else None

        def plan(lineup: Lineup) -> Change | None:
            if moved_since(lineup, before, deployed):
                raise MovedSinceError(
                    "expected the aliases as this deployment left them, found that somebody has released "
                    "since: they stay as they are"
                )
            if _same(lineup.champion, was):
                return None
            moves: dict[str, str | None] = {CHAMPION: _version(was), PREVIOUS: _version(kept)}
            shares: dict[str, float | None] = {}
            rival, mine = lineup.challenger, before.challenger
            if rival is not None and _same(rival, was):
                moves[CHALLENGER] = None
                shares[rival.version] = None
            elif rival is None and mine is not None and mine.sha256 == deployed:
                moves[CHALLENGER] = mine.version
                shares[mine.version] = mine.share
            release = _entry(
                "rollback",
                by,
                why,
                was.label if was else NONE,
                lineup.champion.label if lineup.champion else None,
            )
            return Change(release=release, moves=moves, shares=shares)

        try:
            return self._change(plan)
        except ReleaseRefusedError as error:
            if isinstance(error.__cause__, SignatureError):
                raise NoWayBackError(str(error)) from error
            raise

    def _has(self, alias: Alias) -> bool:
        with self._registry() as client:
            try:
                find_bundle(client, alias.version)
            except UnknownBundleError:
                return False
        return True

    def to_contingency(self, settings: Settings, *, by: str, why: str) -> Release | None:
        """Make the bundle behind @contingency the champion; None when it is.

        Raises:
            BadInputError: nothing stands behind that alias.
        """
        bundle = contingency(settings)

        def plan(lineup: Lineup) -> Change | None:
            return _lead(lineup, bundle.version, bundle.label, "rollback", by, why)

        return self._change(plan)


def contingency(settings: Settings) -> Alias:
    """What @contingency points at.

    Raises:
        BadInputError: nothing.
        RegistryError: the registry does not answer.
    """
    try:
        found = find_champion(settings.registry_uri, CONTINGENCY, settings.registry.timeout_s)
    except RegistryError as error:
        if "alias" in str(error):
            raise BadInputError(
                f"expected a bundle behind @{CONTINGENCY} in the registry, found none; `bands deploy "
                "--contingency BUNDLE` puts one there"
            ) from error
        raise
    return Alias(version=found.version, label=found.label, sha256=found.sha256)


def moved_since(lineup: Lineup, before: Before, deployed: str) -> bool:
    """Whether champion or previous were moved after a deployment of the bundle of sha256 `deployed`.

    Not where they are as before it: then it never moved them, or has been taken back.
    """
    champion, was = lineup.champion, before.champion
    if _same(champion, was):
        return False
    if champion is None or champion.sha256 != deployed:
        return True
    return not _same(lineup.previous, before.previous if was is None else was)


def _same(one: Registered | Alias | None, other: Alias | None) -> bool:
    return (one and one.version) == (other and other.version)


def _lead(
    lineup: Lineup, version: str, label: str, action: Literal["promote", "rollback"], by: str, why: str
) -> Change | None:
    champion, rival = lineup.champion, lineup.challenger
    if champion is not None and champion.version == version:
        return None
    moves: dict[str, str | None] = {CHAMPION: version}
    shares: dict[str, float | None] = {}
    if champion is not None:
        moves[PREVIOUS] = champion.version
    if rival is not None and rival.version == version:
        moves[CHALLENGER] = None
        shares[version] = None
    return Change(
        release=_entry(action, by, why, label, champion.label if champion else None),
        moves=moves,
        shares=shares,
    )


def _version(alias: Alias | None) -> str | None:
    return alias.version if alias is not None else None


def _entry(action: Literal["promote", "rollback"], by: str, why: str, to: str, left: str | None) -> Release:
    return Release(
        action=action,
        at=now(),
        by=by,
        why=why,
        to_bundle=to,
        from_bundle=left,
        share=1.0,
        id=uuid.uuid4().hex,
    )


__all__ = [
    "CONTINGENCY",
    "MovedSinceError",
    "NoWayBackError",
    "ReleaseRefusedError",
    "Switch",
    "contingency",
    "moved_since",
]
