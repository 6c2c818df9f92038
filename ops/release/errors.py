"""What a release answers when it is a no-go."""

from __future__ import annotations


class ReleaseRefusedError(RuntimeError):
    """The release is a no-go; nothing was changed. The message gives every reason and what to do."""
