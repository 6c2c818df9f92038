"""The error of a retrainer that is not the one."""

from __future__ import annotations


class FencedError(RuntimeError):
    """Another retrainer holds the lock: this one must stop."""
