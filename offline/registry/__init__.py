"""The MLflow registry, seen from the side that publishes."""

from offline.registry.aliases import point
from offline.registry.client import Champion, RegistryError, find_champion, registry
from offline.registry.lineup import (
    Lineup,
    Registered,
    UnknownBundleError,
    arrange,
    find_bundle,
    read_lineup,
    set_share,
)
from offline.registry.publish import Published, publish, sqlite_uri
from offline.registry.signature import require_signed

__all__ = [
    "Champion",
    "Lineup",
    "Published",
    "Registered",
    "RegistryError",
    "UnknownBundleError",
    "arrange",
    "find_bundle",
    "find_champion",
    "point",
    "publish",
    "read_lineup",
    "registry",
    "require_signed",
    "set_share",
    "sqlite_uri",
]
