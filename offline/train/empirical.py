"""Empirical quantiles of standardised returns, shrunk from each symbol's own towards all symbols'."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contracts.model.grid import LEVELS

POOLING_ROWS = 10_000
"""Rows at which a symbol's own quantiles count half: about 200 independent outcomes of 7 to 10 days. On
2021-2023 this loses 0.05 to 0.1 % less pinball than pooling alone and 0.2 to 0.4 % less than none (seven
series), and no symbol falls behind."""


def shrunken_quantiles(
    targets: NDArray[np.float64], symbol: NDArray[np.int64], n_symbols: int
) -> NDArray[np.float64]:
    """Five quantiles for each symbol, shape (n_symbols, 5).

    Of a symbol with n of the `targets` (rows,) its own quantiles count n / (n + 10,000), the pooled ones the
    rest: partial pooling, as in empirical Bayes (Efron, Morris 1975). A symbol without rows gets the pooled.

    >>> shrunken_quantiles(np.linspace(-2, 2, 401), np.zeros(401, dtype=np.int64), 2).round(2).tolist()
    [[-1.8, -1.0, 0.0, 1.0, 1.8], [-1.8, -1.0, 0.0, 1.0, 1.8]]
    """
    pooled = np.quantile(targets, LEVELS)
    shrunken = np.tile(pooled, (n_symbols, 1))
    for number in range(n_symbols):
        own = targets[symbol == number]
        if len(own):
            share = len(own) / (len(own) + POOLING_ROWS)
            shrunken[number] = share * np.quantile(own, LEVELS) + (1.0 - share) * pooled
    return shrunken
