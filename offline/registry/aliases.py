"""Aliases of the bundle, the only switch, and the stage tags that follow them.

Stages are deprecated in MLflow: here a stage is a tag that tells where a version stands, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from contracts.errors import BadInputError
from contracts.model.grid import HORIZONS
from contracts.registry import BUNDLE_MODEL, CHAMPION, PREVIOUS, horizon_model

STAGE_TAG = "stage"
PRODUCTION, STAGING, ARCHIVED = "production", "staging", "archived"


def checked_alias(alias: str) -> str:
    """`alias` itself.

    Raises:
        BadInputError: MLflow does not allow it, or keeps it for itself.

    >>> checked_alias("challenger")
    'challenger'
    """
    if not re.fullmatch("[a-z][a-z0-9_-]*", alias) or re.fullmatch(r"latest|v\d+", alias):
        raise BadInputError(
            f"expected an alias such as champion or challenger, found {alias!r}; lower-case letters, digits, "
            "- and _ are allowed, `latest` and `v1`, `v2`, … are MLflow's own"
        )
    return alias


def point(client: Any, alias: str, version: str) -> None:
    """Point `alias` at a version of the bundle; where champion moves, previous goes to the one it leaves.

    Stage tags follow, the horizon models' first: a bundle version whose tag is right has all five right,
    and the same call again completes what was cut off.
    """
    before = {name: str(at) for name, at in client.get_registered_model(BUNDLE_MODEL).aliases.items()}
    after = dict(before)
    left = before.get(alias)
    if alias == CHAMPION and left is not None and left != version:
        client.set_registered_model_alias(BUNDLE_MODEL, PREVIOUS, left)
        after[PREVIOUS] = left
    if left != version:
        client.set_registered_model_alias(BUNDLE_MODEL, alias, version)
        after[alias] = version
    for touched in sorted({version, *before.values()}, key=int):
        restage(client, touched, stage_of(touched, after))


def stage_of(version: str, aliases: Mapping[str, str]) -> str:
    """Where a version stands, by the aliases that point at it.

    >>> aliases = {"champion": "3", "previous": "2", "challenger": "4"}
    >>> [stage_of(version, aliases) for version in ("1", "2", "3", "4")]
    ['archived', 'archived', 'production', 'staging']
    """
    mine = {alias for alias, at in aliases.items() if at == version}
    if CHAMPION in mine:
        return PRODUCTION
    return STAGING if mine - {PREVIOUS} else ARCHIVED


def restage(client: Any, version: str, stage: str) -> None:
    """Set the stage tag of a bundle version, those of its horizon models first."""
    tags = client.get_model_version(BUNDLE_MODEL, version).tags
    if tags.get(STAGE_TAG) == stage:
        return
    for horizon in HORIZONS:
        name = horizon_model(horizon)
        client.set_model_version_tag(name, tags[f"T{horizon}_version"], STAGE_TAG, stage)
    client.set_model_version_tag(BUNDLE_MODEL, version, STAGE_TAG, stage)
