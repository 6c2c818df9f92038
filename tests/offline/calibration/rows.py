"""Made-up held-out rows of two symbols that miss differently, for tests of everything that calibrates."""

from __future__ import annotations

import numpy as np

from contracts.model.grid import BAR_SECONDS
from offline.calibration import HeldOut

START = 1_577_836_800  # 2020-01-01
HORIZON = 42
FLAT = np.array([-1.6, -0.7, 0.0, 0.7, 1.6])


def held_out(
    n_bars: int, *, symbols: tuple[str, ...] = ("AAA", "BBB"), step_bars: int = 1, seed: int = 0
) -> HeldOut:
    """Two symbols' rows, every `step_bars`; AAA moves more than the quantiles say, BBB less.

    Further `symbols` are known and have no rows.
    """
    stream = np.random.default_rng(seed)
    bar, symbol = (part.ravel() for part in np.meshgrid(np.arange(n_bars), np.arange(2), indexing="ij"))
    n = len(bar)
    raw = np.sort(FLAT + stream.normal(scale=0.1, size=(n, 5)), axis=1)
    return HeldOut(
        HORIZON,
        symbols,
        symbol,
        START + BAR_SECONDS * step_bars * bar,
        np.exp(0.4 * stream.standard_normal(n)),
        np.full(n, 0.01),
        raw,
        stream.standard_normal(n) * np.where(symbol == 0, 1.5, 0.6),
    )
