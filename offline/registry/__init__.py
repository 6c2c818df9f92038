"""The MLflow registry, seen from the side that publishes."""

from offline.registry.aliases import point
from offline.registry.client import Champion, RegistryError, find_champion
from offline.registry.publish import Published, publish, sqlite_uri

__all__ = ["Champion", "Published", "RegistryError", "find_champion", "point", "publish", "sqlite_uri"]
