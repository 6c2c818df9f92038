"""The MLflow registry, seen from the side that publishes."""

from offline.registry.publish import Published, RegistryError, publish, sqlite_uri

__all__ = ["Published", "RegistryError", "publish", "sqlite_uri"]
