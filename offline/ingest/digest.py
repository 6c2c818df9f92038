"""A content hash of bars that does not depend on the file they came from."""

from __future__ import annotations

import hashlib

import numpy as np

from contracts.model.candle import History


def history_sha256(history: History) -> str:
    """SHA-256 in hex of the bars' values: the same bars from CSV, parquet or memory hash alike.

    The input is the number of bars, then open_time as little-endian int64, then open, high, low, close
    and volume as little-endian float64 (-0.0 counts as 0.0). The symbol's name is not part of it.

    >>> import numpy as np
    >>> one = np.array([1.0])
    >>> history_sha256(History("A", np.array([0]), one, one, one, one, one))[:12]
    '0a6e5728b978'
    """
    digest = hashlib.sha256(b"bars/1\n" + len(history).to_bytes(8, "little"))
    digest.update(np.ascontiguousarray(history.open_time, dtype="<i8").tobytes())
    for column in (history.open, history.high, history.low, history.close, history.volume):
        digest.update(np.ascontiguousarray(column + 0.0, dtype="<f8").tobytes())
    return digest.hexdigest()
