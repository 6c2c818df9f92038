"""Write the generated pages: `python -m ops.docs`; with `--check` only say which are out of date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ops.console import err, out
from ops.docs.pages import FOLDER, stale, write_pages


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 when `--check` found a page that the code has moved on from."""
    parser = argparse.ArgumentParser(prog="python -m ops.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is stale")
    parser.add_argument("--picture", action="store_true", help="draw docs/images/bands.png; needs chromium")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to; default: docs of this project")
    told = parser.parse_args(arguments)
    if told.folder == FOLDER and not (FOLDER.parent / "pyproject.toml").is_file():
        parser.error(f"expected the project's source around {FOLDER.parent}, found none; name a --folder")
    if told.picture:
        from ops.docs.picture import draw

        out.print(f"drawn  {draw(told.folder / 'images' / 'bands.png')}", highlight=False, soft_wrap=True)
        return 0
    if not told.check:
        for page in write_pages(told.folder):
            out.print(f"written  {page}", highlight=False, soft_wrap=True)
        return 0
    found = stale(told.folder)
    for page in found:
        err.print(f"out of date  {page}: run `make docs`", highlight=False, soft_wrap=True)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
