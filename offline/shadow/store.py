"""A ledger kept in the workspace, so that a trimmed stream does not take evidence back.

`shadow/<champion>--<challenger>.json`, schema `shadow-ledger/1`: written atomically after each reading, with
how far each stream was read. When it is lost, the streams are read again as far as they reach.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from contracts.errors import BadInputError
from contracts.files import write_atomic
from offline.shadow.ledger import Ledger, Row

SCHEMA = "shadow-ledger/1"


def ledger_file(folder: Path, champion: str, challenger: str, after_ms: int = 0) -> Path:
    """Where the ledger of a pair lies; of a comparison that began anew, with the moment in its name.

    >>> ledger_file(Path("var/shadow"), "1.0.0-aa", "1.1.0-bb").as_posix()
    'var/shadow/1.0.0-aa--1.1.0-bb.json'
    """
    name = f"{champion}--{challenger}" + (f"--{after_ms}" if after_ms else "")
    if not re.fullmatch(r"[A-Za-z0-9._+-]{1,150}", name):
        name = hashlib.sha256(name.encode()).hexdigest()
    return folder / f"{name}.json"


def load_ledger(folder: Path, champion: str, challenger: str, after_ms: int = 0) -> Ledger:
    """The ledger kept of this pair, or an empty one.

    Raises:
        BadInputError: the file is not a ledger of this pair.
    """
    path = ledger_file(folder, champion, challenger, after_ms)
    if not path.exists():
        return Ledger(champion, challenger, after_ms)
    try:
        ledger = _from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"expected a ledger of schema {SCHEMA} in {path}, found: {error}; move the file away, and the "
            "streams are read again as far as they reach"
        ) from error
    if (ledger.champion, ledger.challenger, ledger.after_ms) != (champion, challenger, after_ms):
        raise BadInputError(
            f"expected the ledger of {champion} and {challenger} in {path}, found that of {ledger.champion} "
            f"and {ledger.challenger}; move the file away"
        )
    return ledger


def save_ledger(ledger: Ledger, folder: Path) -> Path:
    """Write the ledger to its file and return where that is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = ledger_file(folder, ledger.champion, ledger.challenger, ledger.after_ms)
    write_atomic(path, json.dumps(_to_json(ledger), allow_nan=False).encode())
    return path


def _to_json(ledger: Ledger) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "champion": ledger.champion,
        "challenger": ledger.challenger,
        "after_ms": ledger.after_ms,
        "symbols": ledger.symbols,
        "cursors": ledger.cursors,
        "open": [[*key, *told] for key, told in ledger.open.items()],
        "rows": [[at, *row.values()] for at, row in sorted(ledger.rows.items())],
        "left_out": ledger.left_out,
        "newest": ledger.newest,
        "settled_until": ledger.settled_until,
        "begins": ledger.begins,
    }


def _from_json(told: dict[str, Any]) -> Ledger:
    if told["schema"] != SCHEMA:
        raise ValueError(f"schema {told['schema']!r}")
    return Ledger(
        champion=told["champion"],
        challenger=told["challenger"],
        after_ms=told["after_ms"],
        symbols=list(told["symbols"]),
        cursors={stream: (str(at), int(added)) for stream, (at, added) in told["cursors"].items()},
        open={(s, t, at): (w, worst, best) for s, t, at, w, worst, best in told["open"]},
        rows={int(at): Row(*values) for at, *values in told["rows"]},
        left_out=Counter(told["left_out"]),
        newest=int(told["newest"]),
        settled_until=int(told["settled_until"]),
        begins=int(told["begins"]),
    )
