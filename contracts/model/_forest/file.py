"""The forest as a file: an npz that is its own canonical form.

The same forest always gives the same bytes (members stored uncompressed, dates fixed), and `decode`
accepts only those bytes: after parsing and checking, it encodes again and compares. Uncompressed
members also leave nothing to inflate, so a file can not ask for more memory than its own size.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.files import write_atomic
from contracts.model._forest.arrays import ForestArrays, ForestError

VERSION = 1
MAX_FILE_BYTES = 256 * 1024 * 1024
"""A file takes 8 bytes a node, so MAX_NODES need 134 MB; the published size needs 4 MB."""

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "meta": np.dtype("u1"),
    "pair_feature": np.dtype("<i4"),
    "pair_threshold": np.dtype("<f8"),
    "node_pair": np.dtype("<i4"),
    "leaf_value": np.dtype("<f8"),
}
_DATE = (1980, 1, 1, 0, 0, 0)  # the first a zip can express
_PARSE_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    struct.error,
    NotImplementedError,  # an unknown compression method
    RuntimeError,  # an encrypted member
    EOFError,
    OSError,  # an offset before the start
    LookupError,
    TypeError,
    ValueError,
)


def encode(arrays: ForestArrays) -> bytes:
    """The file's bytes; equal forests give equal bytes."""
    meta = {
        "features": arrays.n_features,
        "models": list(arrays.models),
        "trees": list(arrays.trees_per_model),
        "version": VERSION,
    }
    text = json.dumps(meta, sort_keys=True, separators=(",", ":")).encode("ascii")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, dtype in _DTYPES.items():
            array = np.frombuffer(text, dtype=np.uint8) if name == "meta" else getattr(arrays, name)
            member = zipfile.ZipInfo(f"{name}.npy", _DATE)
            member.create_system = 3  # the same on every platform
            member.external_attr = 0o644 << 16
            archive.writestr(member, _npy_header(dtype, len(array)) + array.astype(dtype).tobytes())
    return buffer.getvalue()


def decode(raw: bytes, where: str) -> ForestArrays:
    """The forest in `raw`; `where` names the source in errors.

    Raises ForestError unless `raw` is exactly what `encode` writes for the forest it holds.
    """
    try:
        arrays = _parse(raw)
        canonical = encode(arrays) == raw
    except ForestError as error:
        raise ForestError(f"{error} (in {where})") from error
    except _PARSE_ERRORS as error:
        raise ForestError(
            f"Expected a forest file, found damage ({type(error).__name__}: {error}) in {where}; "
            "fetch or build the bundle again."
        ) from error
    if not canonical:
        raise ForestError(
            f"Expected the canonical bytes of the forest, found bytes that differ in {where}; "
            "fetch or build the bundle again."
        )
    return arrays


def write(arrays: ForestArrays, file: Path) -> None:
    """Write the forest so that `file` is at any moment the old bytes or the new, never a mixture."""
    raw = encode(arrays)
    if len(raw) > MAX_FILE_BYTES:
        raise ForestError(
            f"Expected at most {MAX_FILE_BYTES} bytes, found {len(raw)} for {file.name}; train fewer trees."
        )
    write_atomic(file, raw)


def read(file: Path) -> ForestArrays:
    """The forest in `file`; raises ForestError if it is damaged, FileNotFoundError if it is not there."""
    with file.open("rb") as handle:
        raw = handle.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ForestError(
            f"Expected at most {MAX_FILE_BYTES} bytes, found more in {file.name}; build the bundle again."
        )
    return decode(raw, file.name)


def _npy_header(dtype: np.dtype[Any], length: int) -> bytes:
    # Written here, not by numpy, so that no numpy release can change the canonical bytes.
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({length},), }}"
    padding = -(10 + len(text) + 1) % 64
    body = text.encode("ascii") + b" " * padding + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body


def _parse(raw: bytes) -> ForestArrays:
    members: dict[str, NDArray[Any]] = {}
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        expected = [f"{name}.npy" for name in _DTYPES]
        if archive.namelist() != expected:
            raise ForestError(f"Expected the members {expected}, found {archive.namelist()}; build it again.")
        for info, (name, dtype) in zip(archive.infolist(), _DTYPES.items(), strict=True):
            stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
            if not stored or info.file_size > len(raw):
                raise ForestError(
                    f"Expected {info.filename} stored uncompressed within {len(raw)} bytes, found "
                    f"{info.file_size} bytes from {info.compress_size} by method {info.compress_type}; "
                    "build it again."
                )
            members[name] = _parse_member(archive.read(info), name, dtype)
    meta = json.loads(members["meta"].tobytes())
    _check_meta(meta)
    return ForestArrays(
        n_features=meta["features"],
        models=tuple(meta["models"]),
        trees_per_model=tuple(meta["trees"]),
        pair_feature=members["pair_feature"],
        pair_threshold=members["pair_threshold"],
        node_pair=members["node_pair"],
        leaf_value=members["leaf_value"],
    )


def _parse_member(data: bytes, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    header_bytes = 10 + int.from_bytes(data[8:10], "little")
    length = (len(data) - header_bytes) // dtype.itemsize
    header = _npy_header(dtype, length)
    if not data.startswith(header) or len(data) != len(header) + length * dtype.itemsize:
        raise ForestError(
            f"Expected {name}.npy to begin with {header!r}, found {data[: len(header)]!r}; build it again."
        )
    return np.frombuffer(data, dtype=dtype, offset=len(header)).copy()


def _check_meta(meta: object) -> None:
    if not isinstance(meta, dict) or meta.get("version") != VERSION:
        found = meta.get("version") if isinstance(meta, dict) else meta
        raise ForestError(f"Expected forest version {VERSION}, found {found!r}; use its own release.")
    numbers = [meta.get("features"), *_items(meta.get("trees"))]
    if not all(type(number) is int for number in numbers):
        raise ForestError(f"Expected whole numbers in meta, found {numbers}; build it again.")
    if not all(isinstance(name, str) for name in _items(meta.get("models"))):
        raise ForestError(f"Expected model names as text in meta, found {meta['models']}; build it again.")


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ForestError(f"Expected a list in meta, found {value!r}; build it again.")
    return value
