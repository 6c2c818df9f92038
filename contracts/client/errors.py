"""What a subscriber is told when going on in silence would be wrong."""

from __future__ import annotations

from contracts.client.gap import Gap
from contracts.errors import BadInputError


class TrimmedError(BadInputError):
    """Records after the position may be gone; `gap` says where. Nothing after the gap was handed out."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(
            f"{gap}; look up what you missed, then go on without a position (start='oldest' or 'new'), or "
            "give on_gap= to be told and go on by itself"
        )
        self.gap = gap


class NewerSchemaError(BadInputError):
    """A record of a schema version this library does not know; the position stays before it."""

    def __init__(self, schema: str, known: str, stream: str, entry: str) -> None:
        super().__init__(
            f"expected {known}, found the newer {schema} in entry {entry} of {stream}; upgrade quant-bands, "
            "or give newer='skip' to leave such records out, counted in `skipped`"
        )
        self.schema = schema
        self.stream = stream
        self.entry = entry
