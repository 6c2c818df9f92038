"""A real Valkey server on loopback that needs nothing installed and never outlives its users."""

from ops.embedded.errors import EmbeddedServerError
from ops.embedded.ports import free_port
from ops.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError", "free_port"]
