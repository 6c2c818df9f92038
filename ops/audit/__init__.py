"""Recomputing what was served from what the server kept, and telling where the two differ."""

from ops.audit.retell import Retold, Told, collect, retell, streams_of
from ops.audit.swaps import MissingBundleError, Schedule, Swap

__all__ = ["MissingBundleError", "Retold", "Schedule", "Swap", "Told", "collect", "retell", "streams_of"]
