"""Load a bundle as a worker does, predict once, print the process's memory: `python -m` in a fresh process.

Apart from the bundle's own needs (numpy, pydantic, numba where installed) nothing is imported, so that the
training stack of whoever asks does not count.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from contracts.model.bundle import load_bundle


def main(folder: Path) -> None:
    """Print the resident memory in bytes; `load_bundle` has predicted a row of every symbol by then."""
    bundle = load_bundle(folder)
    resident = psutil.Process().memory_info().rss
    del bundle
    sys.stdout.write(f"{resident}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
