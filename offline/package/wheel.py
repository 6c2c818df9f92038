"""The project itself as a wheel, from its installed files, so that a package needs no index for it.

The format is the binary distribution format of PyPA, version 1.0: a zip with METADATA and RECORD. The same
files give the same bytes on one build of zlib.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path

PROJECT = "quant-bands"
PACKAGES = ("contracts", "offline", "ops", "worker")
_ROOT = Path(__file__).resolve().parents[2]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date a zip can express


def project_wheel() -> tuple[str, bytes]:
    """The wheel's file name and bytes.

    Raises:
        PackageNotFoundError: the project is not installed, not even in place.
    """
    installed = distribution(PROJECT)
    stem = f"{PROJECT.replace('-', '_')}-{installed.version}"
    return f"{stem}-py3-none-any.whl", zip_wheel(f"{stem}.dist-info", installed, project_files(_ROOT))


def project_files(root: Path) -> dict[str, bytes]:
    """Every file of the project's packages under `root`, without caches and hidden files."""
    files = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            parts = path.relative_to(root).parts
            hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
            if path.is_file() and not path.is_symlink() and not hidden and path.suffix != ".pyc":
                files["/".join(parts)] = path.read_bytes()
    return files


def zip_wheel(info: str, installed: Distribution, files: Mapping[str, bytes]) -> bytes:
    """A wheel of `files` with the installed distribution's own description, `info` its dist-info folder."""
    whole = dict(files)
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        text = installed.read_text(name)
        if text is not None:
            whole[f"{info}/{name}"] = text.encode()
    tag = "Wheel-Version: 1.0\nGenerator: quant-bands\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    whole[f"{info}/WHEEL"] = tag.encode()
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, data in sorted(whole.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow((name, f"sha256={digest}", len(data)))
    rows.writerow((f"{info}/RECORD", "", ""))
    whole[f"{info}/RECORD"] = record.getvalue().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(whole.items()):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.external_attr = 0o100644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return buffer.getvalue()
