"""Years of a stationary stream, from blocks of one that may not have been."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def resample(series: Sequence[Array], bars: int, streams: int, block_bars: int, seed: int) -> Array:
    """Streams of moving blocks, drawn from all symbols alike: (bars, streams, channels).

    `series` holds one (n, channels) for each symbol; channels are drawn together. Kuensch (1989), "The
    jackknife and the bootstrap for general stationary observations", Ann. Statist. 17(3).
    """
    long = [one for one in series if len(one) >= block_bars]
    rows = np.concatenate(long)
    starts = np.concatenate(
        [
            offset + np.arange(len(one) - block_bars + 1)
            for one, offset in zip(long, np.cumsum([0, *map(len, long)]), strict=False)
        ]
    )
    stream = np.random.default_rng(seed)
    blocks = -(-bars // block_bars)
    at = stream.choice(starts, size=(blocks, 1, streams)) + np.arange(block_bars)[None, :, None]
    drawn: Array = rows[at.reshape(blocks * block_bars, streams)[:bars]]
    return drawn


def without_level(ratios: Array, span_bars: int) -> Array:
    """A positive series (n,) whose mean over the `span_bars` around each bar is the same everywhere.

    What lasts longer than the span is a change of level, which the detector is there to see; left in, it
    would be taken for noise and resampled into every replicate.
    """
    if len(ratios) < span_bars:
        return ratios
    before = span_bars // 2
    padded = np.pad(ratios, (before, span_bars - before - 1), mode="reflect")
    level = np.convolve(padded, np.full(span_bars, 1.0 / span_bars), mode="valid")
    level = np.maximum(level, np.finfo(np.float64).tiny)
    steady: Array = ratios / level * ratios.mean()
    return steady
