"""The two kinds of errors a user can do something about."""

from __future__ import annotations


class BadInputError(ValueError):
    """What was given can not be used: a file, a folder, a setting. The message says what to change."""


class UnavailableError(RuntimeError):
    """A server or registry that is needed does not answer as it should."""
