"""Champion, challenger and previous together: read at once, and moved to where they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import BadInputError
from contracts.registry import BUNDLE_MODEL, CHALLENGER, CHAMPION, PREVIOUS, SHA256_TAG, SHARE_TAG
from offline.registry.aliases import restage, stage_of

ORDER = (PREVIOUS, CHAMPION, CHALLENGER)
"""The way back is laid before the switch; the challenger leaves its place once it has the other, so that no
reader finds it nowhere and forgets what it has learned."""


class UnknownBundleError(BadInputError):
    """No registered bundle has this version or label."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of the bundle model. `share` is the part of symbols it serves while it is the challenger."""

    version: str
    label: str
    sha256: str
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Lineup:
    """What the three aliases point at; None where an alias is not set."""

    champion: Registered | None = None
    challenger: Registered | None = None
    previous: Registered | None = None


def read_lineup(client: Any) -> Lineup:
    """The lineup of the registry behind `client`; empty where nothing was published yet."""
    if not client.search_registered_models(f"name = '{BUNDLE_MODEL}'"):
        return Lineup()
    aliases = client.get_registered_model(BUNDLE_MODEL).aliases
    found = {
        alias: _registered(client.get_model_version(BUNDLE_MODEL, str(aliases[alias])))
        for alias in ORDER
        if alias in aliases
    }
    return Lineup(found.get(CHAMPION), found.get(CHALLENGER), found.get(PREVIOUS))


def find_bundle(client: Any, name: str) -> Registered:
    """The registered bundle of a version number or a label.

    Raises:
        UnknownBundleError: there is none, or the label is that of several.
    """
    versions = [_registered(one) for one in client.search_model_versions(f"name = '{BUNDLE_MODEL}'")]
    found = [one for one in versions if one.version == name] or [one for one in versions if one.label == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownBundleError(
            f"expected one bundle of label {name}, found versions {', '.join(v.version for v in found)}; "
            "name the version"
        )
    known = ", ".join(f"{one.version} ({one.label})" for one in sorted(versions, key=_number)[-5:]) or "none"
    raise UnknownBundleError(
        f"expected the version or label of a registered bundle, found {name!r}; the newest are: {known}"
    )


def arrange(client: Any, moves: Mapping[str, str | None], touched: Iterable[str] = ()) -> Iterator[str]:
    """Bring aliases where `moves` says (None removes one), a step at a time; yields before each step.

    The steps are absolute: the same moves again complete what was cut off. Stage tags follow at the end, of
    `touched` versions too, which may have lost their alias in the call that was cut off.
    """
    aliases = {name: str(at) for name, at in client.get_registered_model(BUNDLE_MODEL).aliases.items()}
    before = set(aliases.values())
    for alias in sorted(moves, key=ORDER.index):
        target = moves[alias]
        if aliases.get(alias) == target:
            continue
        yield alias
        if target is None:
            client.delete_registered_model_alias(BUNDLE_MODEL, alias)
            del aliases[alias]
        else:
            client.set_registered_model_alias(BUNDLE_MODEL, alias, target)
            aliases[alias] = target
    for version in sorted({*before, *aliases.values(), *touched}, key=int):
        restage(client, version, stage_of(version, aliases))


def set_share(client: Any, version: str, share: float | None) -> None:
    """Say which part of the symbols a challenger serves for real; None takes the tag away."""
    tags = client.get_model_version(BUNDLE_MODEL, version).tags
    if share is None:
        if SHARE_TAG in tags:
            client.delete_model_version_tag(BUNDLE_MODEL, version, SHARE_TAG)
    elif tags.get(SHARE_TAG) != f"{share:g}":
        client.set_model_version_tag(BUNDLE_MODEL, version, SHARE_TAG, f"{share:g}")


def _registered(version: Any) -> Registered:
    tags = version.tags
    label, sha256 = tags.get("label", "unknown"), tags.get(SHA256_TAG, "")
    return Registered(str(version.version), label, sha256, float(tags.get(SHARE_TAG, 0.0)))


def _number(one: Registered) -> int:
    return int(one.version)
