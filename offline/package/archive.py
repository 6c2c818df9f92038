"""Folders as tar.gz that are equal byte for byte, and tar.gz read without trusting them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from contracts.errors import BadInputError

MAX_BYTES = 1024 * 1024 * 1024
MAX_FILES = 10_000
"""Of an archive read back: a bundle may have 512 MB and some 30 files; the rest is small."""


def mode_of(path: str) -> int:
    """Scripts can be started, nothing else."""
    return 0o755 if path.startswith("scripts/") else 0o644


def pack(name: str, files: Mapping[str, bytes]) -> bytes:
    """A tar.gz with `files` under the folder `name`: sorted, owned by root, dated 1970."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size, member.mode, member.mtime = len(data), mode_of(path), 0
            member.uname = member.gname = "root"
            archive.addfile(member, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as stream:
        stream.write(plain.getvalue())
    return packed.getvalue()


def unpack(path: Path, max_bytes: int = MAX_BYTES) -> tuple[str, dict[str, bytes]]:
    """The one folder of a tar.gz and its files by path, in memory: nothing is written anywhere.

    Raises:
        BadInputError: not a tar.gz, cut, too large, or with a member that is a link, a device, twice
            there, or outside the one folder.
    """
    files: dict[str, bytes] = {}
    name: str | None = None
    left = max_bytes
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                top, inside = _inside(member, path)
                if name not in (None, top):
                    raise BadInputError(f"expected one folder in {path}, found {name} and {top}")
                name = top
                left -= member.size
                if left < 0 or len(files) >= MAX_FILES:
                    raise BadInputError(
                        f"expected at most {max_bytes} bytes and {MAX_FILES} files in {path}, found more"
                    )
                content = archive.extractfile(member)
                if inside in files or content is None:
                    raise BadInputError(f"expected {inside} once in {path}, found it twice")
                files[inside] = content.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadInputError(f"expected a tar.gz of `bands package` at {path}, found: {error}") from error
    if name is None:
        raise BadInputError(f"expected one folder in {path}, found an empty archive")
    return name, files


def _inside(member: tarfile.TarInfo, archive: Path) -> tuple[str, str]:
    """The folder and the path in it; anything but a plain file inside one folder is refused."""
    path = PurePosixPath(member.name)
    if not member.isreg():
        raise BadInputError(
            f"expected plain files in {archive}, found {member.name!r}, a link, folder or device; do not "
            "unpack it"
        )
    safe = not path.is_absolute() and ".." not in path.parts and "\\" not in member.name
    if not safe or len(path.parts) < 2 or path.as_posix() != member.name:
        raise BadInputError(
            f"expected files inside one folder in {archive}, found {member.name!r}; do not unpack it"
        )
    return path.parts[0], PurePosixPath(*path.parts[1:]).as_posix()
