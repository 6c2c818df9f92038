"""Which pages are generated, and whether those on disk still say what the code says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from contracts.files import write_atomic
from ops.docs.commands import commands_page
from ops.docs.settings import settings_page
from ops.docs.streams import streams_page

FOLDER = Path(__file__).parents[2] / "docs"

GENERATED: Mapping[str, Callable[[], str]] = {
    "cli.md": commands_page,
    "settings.md": settings_page,
    "streams.md": streams_page,
}
"""The page by its file name under `docs`."""


def write_pages(folder: Path = FOLDER) -> list[Path]:
    """Write every generated page into `folder` and return their paths.

    Raises:
        LookupError: a stream, message field or setting has no meaning written down anywhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, page in GENERATED.items():
        write_atomic(folder / name, page().encode())
        written.append(folder / name)
    return written


def stale(folder: Path = FOLDER) -> list[Path]:
    """The generated pages in `folder` that are missing or differ from what the code says now."""
    return [
        folder / name
        for name, page in GENERATED.items()
        if not (folder / name).is_file() or (folder / name).read_text() != page()
    ]
