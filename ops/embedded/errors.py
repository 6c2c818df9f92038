"""What went wrong with the embedded server, as one full sentence."""

from __future__ import annotations

from contracts.errors import UnavailableError


class EmbeddedServerError(UnavailableError):
    """The embedded server can not start, be reached or be shared; the message says what to do."""
