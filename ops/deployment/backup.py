"""A copy of what runs, made before anything is switched.

    backup/registry.json      aliases and the versions behind them
    backup/settings.json      every setting with its origin, without secrets
    backup/champion/          the bundle that serves, verified
    backup/partition-0.json.gz   cursor, folded state and newest records, field by field
    backup/manifest.json      the sha256 of each of these

The streams themselves are the server's own to back up: they are in its append-only file.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.connect import transaction
from contracts.errors import BadInputError
from contracts.files import write_atomic
from contracts.model.bundle import verify_bundle
from contracts.topics import Topics
from ops.deployment.install import releases_path
from ops.deployment.package import MODELS
from ops.deployment.record import Before
from ops.settings import Settings
from worker.look_up import look_up

MANIFEST = "manifest.json"
SCHEMA = "partition-backup/1"


def back_up(settings: Settings, client: Any, before: Before, folder: Path) -> str:
    """Write the backup into `folder`, made anew; returns what it holds, in words.

    Raises:
        BundleError: the champion's bundle does not verify.
        OSError: no room.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write(folder / "registry.json", before.model_dump(mode="json"))
    _write(
        folder / "settings.json",
        [{"name": name, "value": value, "from": origin} for name, value, origin in settings.describe()],
    )
    told = ["settings", "aliases"]
    if (source := champion_folder(settings, before)) is not None:
        verify_bundle(source)
        shutil.copytree(source, folder / "champion")
        _, sha256, _ = verify_bundle(folder / "champion")
        told.append(f"bundle {sha256[:12]}")
    count = settings.stream.partitions
    for partition in range(count):
        dumped = dump_partition(client, Topics(partition, count))
        packed = gzip.compress(json.dumps(dumped, sort_keys=True).encode(), mtime=0)
        write_atomic(folder / f"partition-{partition}.json.gz", packed)
    told.append(f"state of {count} partition{'s' if count > 1 else ''}")
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    _write(folder / MANIFEST, {"schema": "backup/1", "files": hashes})
    return ", ".join(told)


def champion_folder(settings: Settings, before: Before) -> Path | None:
    """The folder of the bundle that serves: the link's, or the worker's own copy, else fetched now."""
    if settings.deploy.source == "folder":
        return releases_path(settings) / before.current / MODELS if before.current else None
    if before.champion is None:
        return None
    cache = settings.workspace_path / "champions"
    cache.mkdir(parents=True, exist_ok=True)
    found = look_up(settings.registry_uri, settings.registry.alias, None, cache)
    return Path(found["champion"]["folder"])


def verify_backup(folder: Path) -> list[str]:
    """What is missing or altered in a backup; empty when nothing is."""
    try:
        files: Mapping[str, str] = json.loads((folder / MANIFEST).read_bytes())["files"]
    except (OSError, ValueError, KeyError) as error:
        return [f"{MANIFEST}: {error}"]
    differs = []
    for name, wanted in files.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            differs.append(name)
    return differs


def dump_partition(client: Any, topics: Topics) -> dict[str, Any]:
    """Cursor and state of one partition at one moment; bytes as base64."""
    with transaction(client, topics.cursor) as pipe:
        pipe.hgetall(topics.cursor)
        pipe.hgetall(topics.state)
        cursor, state = pipe.execute()
    return {
        "schema": SCHEMA,
        "partition": topics.partition,
        "partitions": topics.partitions,
        "cursor": {k.decode(): v.decode() for k, v in cursor.items()},
        "state": {k.decode(): base64.b64encode(v).decode() for k, v in state.items()},
    }


def restore_partition(client: Any, backup: Path, topics: Topics) -> str:
    """Write one partition's cursor and state back, for a server that has lost them; returns the cursor.

    Bars after that cursor are answered again once a worker starts, as far as the stream still holds them.

    Raises:
        BadInputError: the backup is damaged or of another partition, a worker holds the partition, or the
            server has a cursor: what it knows is newer, and going back would answer bars twice.
    """
    name = f"partition-{topics.partition}.json.gz"
    if name in verify_backup(backup) or not (backup / name).is_file():
        raise BadInputError(f"expected {name} in {backup} as it was written, found it missing or altered")
    told = json.loads(gzip.decompress((backup / name).read_bytes()))
    if (told["partition"], told["partitions"]) != (topics.partition, topics.partitions):
        raise BadInputError(
            f"expected partition {topics.partition} of {topics.partitions} in {name}, found "
            f"{told['partition']} of {told['partitions']}; set stream.partitions to what it was"
        )
    if client.get(topics.lease) is not None:
        raise BadInputError(f"expected nobody to hold {topics.lease}, found a worker; stop it first")
    if client.exists(topics.cursor) or client.exists(topics.state):
        raise BadInputError(
            f"expected a server without {topics.cursor} and {topics.state}, found them: it knows more than "
            "the backup; nothing was written"
        )
    with transaction(client, topics.cursor) as pipe:
        if told["cursor"]:
            pipe.hset(topics.cursor, mapping=told["cursor"])
        if told["state"]:
            pipe.hset(topics.state, mapping={k: base64.b64decode(v) for k, v in told["state"].items()})
        pipe.execute()
    return str(told["cursor"].get("entry", ""))


def _write(path: Path, told: Any) -> None:
    write_atomic(path, json.dumps(told, indent=2).encode() + b"\n")
