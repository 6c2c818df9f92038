"""Reference pages that are made from the code: streams, settings and commands, and the README's picture."""

from ops.docs.pages import GENERATED, stale, write_pages

__all__ = ["GENERATED", "stale", "write_pages"]
