"""Proposing and pruning so that a resumed study equals an uninterrupted one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna.study import Study

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def sampler_seed(base: int, horizon: int, slot: int) -> int:
    """The sampler's seed for the trial of a slot.

    One seed for the whole study would, after a restart, propose its first points again.

    >>> sampler_seed(7, 42, 0) == sampler_seed(7, 42, 0) != sampler_seed(7, 42, 1)
    True
    """
    return int(np.random.SeedSequence([base, horizon, slot]).generate_state(1)[0])


def tpe(base: int, horizon: int, slot: int) -> TPESampler:
    """TPE for the trial of a slot: its memory is the study, its chance this seed."""
    return TPESampler(seed=sampler_seed(base, horizon, slot))


class FixedPoint(BaseSampler):
    """Proposes one point: the first trial of a search, or the next of a grid."""

    def __init__(self, point: Mapping[str, Any]) -> None:
        self._point = dict(point)

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Nothing is sampled jointly."""
        return {}

    def sample_relative(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing is sampled jointly."""
        return {}

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """The point's value of this parameter."""
        return self._point[param_name]


class RungPruner(BasePruner):
    """ASHA between rungs, blind to trials that failed.

    Optuna's pruner lets every trial that ever reached a rung compete, a killed one too; its repetition
    would then meet itself, and the resumed study prune otherwise than an uninterrupted one.
    """

    def __init__(self, reduction_factor: int) -> None:
        self._asha = SuccessiveHalvingPruner(min_resource=1, reduction_factor=reduction_factor)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether `trial` is not among the best share of those that got this far."""
        return self._asha.prune(cast("Study", _Alive(study)), trial)


class _Alive:
    def __init__(self, study: Study) -> None:
        self._study = study

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        return [t for t in self._study.get_trials(deepcopy=deepcopy) if t.state is not TrialState.FAIL]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)
