"""Folded state as bytes: a JSON header and raw little-endian float64, never pickle.

Layout: 4 bytes magic, 4 bytes header length, header, arrays. Floats in the header are written in
Python's shortest exact form, so a restored fold continues bit for bit.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model.candle import Candle, violation
from contracts.model.context import KEPT_ROWS, N_CONTEXT, LeaderTrack
from contracts.model.features import RAW_ROWS, VOLUME, FeatureFold
from contracts.model.grid import BAR_SECONDS
from contracts.model.intake import SymbolFold
from contracts.model.scale import DECAYS, VolatilityScale
from contracts.model.spec import CONTEXT_MEMORY_BARS, RING_BARS

MAGIC = b"QBS1"
SYMBOL_SCHEMA = "symbol_fold/1"
LEADER_SCHEMA = "leader_track/1"


class SnapshotError(ValueError):
    """Bytes that are not a snapshot this version can read."""


def dump_symbol(fold: SymbolFold) -> bytes:
    """A symbol's fold as bytes, about 20 KB once warm."""
    features = fold.features
    kept = min(features.count, RING_BARS)
    header = {
        "schema": SYMBOL_SCHEMA,
        "count": features.count,
        "prev_close": features.prev_close,
        "sums": features.scale.sums,
        "weights": features.scale.weights,
        "kept": kept,
    }
    return pack(header, features.matrix[:RAW_ROWS, :kept])


def load_symbol(blob: bytes) -> SymbolFold:
    """The fold that `dump_symbol` wrote.

    Raises:
        SnapshotError: the bytes are cut, altered beyond reading, or of another schema.
    """
    header, numbers = unpack(blob, SYMBOL_SCHEMA)
    try:
        kept, count = int(header["kept"]), int(header["count"])
        sums = tuple(float(x) for x in header["sums"])
        weights = tuple(float(x) for x in header["weights"])
        prev_close = float(header["prev_close"])
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"expected the header fields of {SYMBOL_SCHEMA}, found {header}") from error
    if kept != min(count, RING_BARS) or len(sums) != len(DECAYS) or len(weights) != len(DECAYS):
        raise SnapshotError(
            f"expected min(count, {RING_BARS}) bars and {len(DECAYS)} averages, found {header}"
        )
    raw = _shaped(numbers, (RAW_ROWS, kept))
    _check_bars(raw)
    if not all(0.0 <= w <= 1.0 for w in weights) or not all(0.0 <= s < math.inf for s in sums):
        raise SnapshotError(f"expected weights in [0, 1] and finite sums, found {weights} and {sums}")
    if not 0.0 <= prev_close < math.inf:
        raise SnapshotError(f"expected a finite previous close, found {prev_close}")
    scale = VolatilityScale(sums, weights)
    return SymbolFold(FeatureFold.restore(raw, count=count, prev_close=prev_close, scale=scale))


def dump_leader(track: LeaderTrack) -> bytes:
    """The leader's recent rows as bytes, about 13 KB."""
    header = {
        "schema": LEADER_SCHEMA,
        "open_times": track.open_times.tolist(),
        "bridged": track.bridged.tolist(),
        "log_sigmas": len(track.log_sigmas),
    }
    return pack(header, np.concatenate((track.rows.ravel(), track.log_sigmas)))


def load_leader(blob: bytes) -> LeaderTrack:
    """The track that `dump_leader` wrote.

    Raises:
        SnapshotError: the bytes are cut, altered beyond reading, or of another schema.
    """
    header, numbers = unpack(blob, LEADER_SCHEMA)
    try:
        times = np.array([int(t) for t in header["open_times"]], dtype=np.int64)
        bridged = np.array([bool(b) for b in header["bridged"]], dtype=np.bool_)
        n_sigmas = int(header["log_sigmas"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SnapshotError(f"expected the header fields of {LEADER_SCHEMA}, found {header}") from error
    split = len(times) * N_CONTEXT
    if len(times) > KEPT_ROWS or not 0 <= n_sigmas <= CONTEXT_MEMORY_BARS or (np.diff(times) <= 0).any():
        raise SnapshotError(f"expected up to {KEPT_ROWS} increasing times, found {len(times)}")
    if len(bridged) != len(times):
        raise SnapshotError(f"expected a bridged mark for each of {len(times)} rows, found {len(bridged)}")
    rows = _shaped(numbers[:split], (len(times), N_CONTEXT))
    return LeaderTrack(times, rows, bridged, _shaped(numbers[split:], (n_sigmas,)))


def _check_bars(raw: NDArray[np.float64]) -> None:
    """Every kept bar must be one, and they must be consecutive."""
    times = raw[0]
    if len(times) > 1 and not (np.diff(times) == -BAR_SECONDS).all():
        raise SnapshotError("expected consecutive bars, newest first, found others")
    for open_time, *numbers in raw[: VOLUME + 1].T.tolist():
        if problem := violation(Candle(int(open_time), *numbers)):
            raise SnapshotError(f"expected a valid bar at {int(open_time)}, found one that is not: {problem}")


def pack(header: dict[str, Any], numbers: NDArray[np.float64]) -> bytes:
    """A snapshot of a JSON header, which names its `schema`, and any number of float64."""
    head = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    return MAGIC + struct.pack("<I", len(head)) + head + np.ascontiguousarray(numbers, "<f8").tobytes()


def unpack(blob: bytes, schema: str) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The header and the numbers that `pack` wrote under `schema`, all of them finite.

    Raises:
        SnapshotError: the bytes are cut, altered beyond reading, or of another schema.
    """
    if blob[:4] != MAGIC or len(blob) < 8:
        raise SnapshotError(f"expected a snapshot that begins with {MAGIC!r}, found {blob[:8]!r}")
    start = 8 + struct.unpack("<I", blob[4:8])[0]
    try:
        header = json.loads(blob[8:start], parse_float=_finite, parse_constant=_finite)
        numbers = np.frombuffer(blob[start:], dtype="<f8").astype(np.float64)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"expected a JSON header and float64 numbers, found {error}") from error
    if not isinstance(header, dict) or header.get("schema") != schema:
        raise SnapshotError(f"expected schema {schema}, found {str(header)[:80]}")
    if not np.isfinite(numbers).all():
        raise SnapshotError("expected finite numbers, found others")
    return header, numbers


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a number that is not finite: {text[:40]}")
    return number


def _shaped(numbers: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    if numbers.size != np.prod(shape):
        raise SnapshotError(f"expected {shape} numbers, found {numbers.size}")
    return numbers.reshape(shape)
