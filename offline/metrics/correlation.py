"""The information coefficient: does the median rank the outcomes?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Correlation:
    """A rank correlation, or None with the reason why there is none."""

    value: float | None
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.value:+.3f}" if self.value is not None else f"undefined ({self.reason})"


def information_coefficient(y: ArrayLike, median: ArrayLike) -> Correlation:
    """Spearman's rank correlation of predicted medians and outcomes, ties at their mean rank.

    Rows with a NaN are left out. A constant median ranks nothing, so its coefficient is undefined.

    >>> information_coefficient([0.1, 0.2, 0.3], [1.0, 2.0, 9.0]).value
    1.0
    >>> str(information_coefficient([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]))
    'undefined (the median is constant)'
    """
    pairs = pd.DataFrame({"y": np.asarray(y, dtype=float), "median": np.asarray(median, dtype=float)})
    pairs = pairs.dropna()
    if len(pairs) < 3:
        return Correlation(None, f"only {len(pairs)} rows have an outcome")
    for name, what in (("median", "the median is constant"), ("y", "the outcome is constant")):
        if pairs[name].nunique() == 1:
            return Correlation(None, what)
    ranks = pairs.rank().to_numpy()
    return Correlation(round(float(np.corrcoef(ranks.T)[0, 1]), 12))
