"""Mondrian CQR: one split calibrator per volatility regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from contracts.model._calibration.inputs import (
    expect_list,
    expect_state,
    finite_floats,
    volatility_ratios,
    whole,
)
from contracts.model._calibration.regimes import ByRegime, expect_regimes
from contracts.model._calibration.scores import ascending
from contracts.model._calibration.split import SplitCQR
from contracts.model.calibrator import BandContext, CalibratorError, ClosedLabel, register

# Given the calibration sample, coverage is Beta distributed with standard deviation
# sqrt(0.9 * 0.1 / (n + 2)): 3 points at 99 independent scores, as much as a regime may reasonably be off.
MIN_SCORES = 99


@register
@dataclass(frozen=True, slots=True)
class MondrianCQR(ByRegime):
    """Split CQR per volatility regime (Vovk, Lindsay, Nouretdinov, Gammerman 2003, "Mondrian confidence
    machine"; Romano, Patterson, Candes 2019).

    The ratio of a row's context falls into regime `i` when `edges[i - 1] <= ratio < edges[i]`. Exchangeable
    rows of a regime are then covered with at least the stated probability within that regime, not only on
    average over all. `regimes` holds a split calibrator for each, `pooled` the one of all rows. A regime
    with fewer than `min_scores` uses `pooled`, whose promise holds on average only: `fallback_regimes`
    says which. Overlapping labels count for less than their number: raise `min_scores` accordingly.

    >>> rng = np.random.default_rng(7)
    >>> ratio = np.linspace(0.5, 2.0, 900)
    >>> contexts = [BandContext(0, float(r)) for r in ratio]
    >>> flat = np.tile([-2.0, -1.0, 0.0, 1.0, 2.0], (900, 1))
    >>> calibrator = MondrianCQR.calibrate(flat, ratio * rng.normal(size=900), contexts)
    >>> [round(edge, 2) for edge in calibrator.edges], calibrator.fallback_regimes
    ([1.0, 1.5], ())
    >>> calm, wild = (calibrator.q_hat_at(BandContext(0, r))[0.90] for r in (0.7, 1.8))
    >>> calm < 0.0 < wild
    True
    """

    method: ClassVar[str] = "mondrian_cqr"
    edges: tuple[float, ...]
    regimes: tuple[SplitCQR, ...]
    pooled: SplitCQR
    min_scores: int = MIN_SCORES

    def __post_init__(self) -> None:
        whole(self.min_scores, 1, "min_scores")
        expect_regimes(self.edges, len(self.regimes))
        if sum(regime.n_scores for regime in self.regimes) > self.pooled.n_scores:
            raise CalibratorError(
                "Expected regimes of at most the pooled scores, found more; calibrate again."
            )

    @classmethod
    def calibrate(
        cls,
        quantiles: ArrayLike,
        y: ArrayLike,
        contexts: Sequence[BandContext],
        *,
        edges: Sequence[float] | None = None,
        min_scores: int = MIN_SCORES,
    ) -> Self:
        """Learn from held-out `quantiles` (n, 5), ascending, labels `y` (n,) and n `contexts`.

        Without `edges` the regimes are the terciles of the sample's own volatility ratios. The row that
        sets an edge then counts in `pooled` only: given the edges the other rows of a regime are as
        exchangeable with a new one in it as before, the edge itself is not.

        Raises CalibratorError on shapes that do not fit, values not finite, quantiles out of order, and
        edges that do not ascend.
        """
        rows, labels = ascending(quantiles), np.asarray(y, dtype=np.float64)
        pooled = SplitCQR.calibrate(rows, labels)
        ratios = volatility_ratios(list(contexts), rows.shape)
        counted = np.ones(len(rows), dtype=bool)
        if edges is None:
            order = np.argsort(ratios, kind="stable")
            setting = order[[len(rows) // 3, 2 * len(rows) // 3]] if len(rows) else order
            counted[setting] = False
            edges = sorted(set(ratios[setting].tolist()))
        limits = tuple(float(edge) for edge in edges)
        regime = np.searchsorted(limits, ratios, side="right")
        members = (counted & (regime == i) for i in range(len(limits) + 1))
        regimes = tuple(SplitCQR.calibrate(rows[own], labels[own]) for own in members)
        return cls(limits, regimes, pooled, min_scores)

    @property
    def q_hat(self) -> dict[float, float]:
        """The pooled widening by coverage; `q_hat_at` gives what is in force in a regime."""
        return self.pooled.q_hat

    @property
    def fallback_regimes(self) -> tuple[int, ...]:
        """The regimes, from 0 for the calmest, that had too few scores and use the pooled q_hat."""
        return tuple(i for i, own in enumerate(self.regimes) if own.n_scores < self.min_scores)

    def update(self, outcome: ClosedLabel) -> Self:  # noqa: ARG002 - the interface's
        """Itself: Mondrian CQR learns nothing after calibration."""
        return self

    def to_json(self) -> dict[str, Any]:
        """State as JSON types; every calibrator in it is written as split CQR writes itself."""
        return {
            "method": self.method,
            "edges": list(self.edges),
            "regimes": [regime.to_json() for regime in self.regimes],
            "pooled": self.pooled.to_json(),
            "min_scores": self.min_scores,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Restore what `to_json` gave; raises CalibratorError on anything else."""
        expect_state(state, cls.method, {"edges", "regimes", "pooled", "min_scores"})
        return cls(
            edges=finite_floats(state["edges"], "edges"),
            regimes=tuple(SplitCQR.from_json(regime) for regime in expect_list(state["regimes"], "regimes")),
            pooled=SplitCQR.from_json(state["pooled"]),
            min_scores=state["min_scores"],
        )

    def _in_force(self) -> list[SplitCQR]:
        return [own if own.n_scores >= self.min_scores else self.pooled for own in self.regimes]
