"""Writes the schema files anew."""

from __future__ import annotations

import sys
from pathlib import Path

from contracts.schemas import write_schemas

if __name__ == "__main__":
    for file in write_schemas(Path(__file__).parent):
        sys.stdout.write(f"{file.name}\n")
