"""The switch itself: aliases moved through `ops.release`, so that `releases` tells of it."""

from __future__ import annotations

import uuid
from typing import Literal

from contracts.errors import BadInputError
from contracts.events import Release
from contracts.registry import CHALLENGER, CHAMPION, PREVIOUS
from offline.registry import Lineup, RegistryError, find_champion
from ops.deployment.record import Alias, Before, now
from ops.release import Change, ReleaseRefusedError, Releases
from ops.settings import Settings

CONTINGENCY = "contingency"
"""The alias of the bundle that is kept for the case that champion and previous both fail."""
NONE = "none"


class Switch(Releases):
    """Changes of the champion that a deployment makes, each one entry on `releases`."""

    def install(self, version: str, label: str, *, by: str, why: str) -> Release | None:
        """Make a registered version the champion and the champion the previous one; None when it is so."""

        def plan(lineup: Lineup) -> Change | None:
            return _lead(lineup, version, label, "promote", by, why)

        return self._change(plan)

    def put_back(self, before: Before, *, by: str, why: str) -> Release | None:
        """Champion, challenger and previous as they were; None when they are so."""

        def plan(lineup: Lineup) -> Change | None:
            found = Before.of(lineup, before.current)
            if found == before:
                return None
            moves = {
                CHAMPION: _version(before.champion),
                PREVIOUS: _version(before.previous),
                CHALLENGER: _version(before.challenger),
            }
            shares: dict[str, float | None] = {}
            if found.challenger is not None:
                shares[found.challenger.version] = None
            if before.challenger is not None:
                shares[before.challenger.version] = before.challenger.share
            release = _entry(
                "rollback",
                by,
                why,
                before.champion.label if before.champion else NONE,
                found.champion.label if found.champion else None,
            )
            return Change(release=release, moves=moves, shares=shares)

        return self._change(plan)

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


__all__ = ["CONTINGENCY", "ReleaseRefusedError", "Switch", "contingency"]
