"""Slots: a study of n trials has n of them, and each is finished exactly once.

A trial is born in the storage with its slot and its owner, in one record. The storage orders all records,
so that of two trials born into one slot both runs see the same one first; the other gives up at once.
Nothing is locked and nobody waits for a run that died.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from offline.hpo.crew import Crew
from offline.hpo.sampling import FINISHED
from offline.hpo.space import SPACE

SLOT, OWNER = "slot", "owner"


class LostError(RuntimeError):
    """Others took this run for dead and gave its slot away; what it fitted counts for nothing."""


def slot_of(trial: FrozenTrial) -> int:
    """The slot a trial was born into."""
    slot: int = trial.user_attrs[SLOT]
    return slot


def finished(study: Study, n_slots: int | None = None) -> list[FrozenTrial]:
    """Complete and pruned trials by slot, those of the first `n_slots` only."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    return sorted((t for t in trials if n_slots is None or slot_of(t) < n_slots), key=slot_of)


def bury(study: Study, crew: Crew) -> None:
    """Fail what dead runs left running: it would hold its slot, and the sampler reckon with it."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not crew.alive(trial.user_attrs.get(OWNER, "//")):
            fail(study, trial.number)


def free_slot(study: Study, n_slots: int) -> int | None:
    """The first slot that is neither finished nor running; None when there is none."""
    taken = {slot_of(t) for t in _standing(study)}
    return next((slot for slot in range(n_slots) if slot not in taken), None)


def claim(study: Study, storage: BaseStorage, slot: int, crew: Crew) -> Trial | None:
    """A running trial in `slot`, its parameters proposed; None when another run was first."""
    born = create_trial(state=TrialState.RUNNING, user_attrs={SLOT: slot, OWNER: crew.me})
    born.datetime_start = datetime.now().astimezone()
    trial = Trial(study, storage.create_new_trial(study._study_id, template_trial=born))
    if any(t.number < trial.number and slot_of(t) == slot for t in _standing(study)):
        fail(study, trial.number)
        return None
    suggest(trial)
    return trial


def suggest(trial: Trial) -> dict[str, Any]:
    """Propose every parameter of the space."""
    for name, kind in SPACE.items():
        if isinstance(kind, IntDistribution):
            trial.suggest_int(name, kind.low, kind.high, log=kind.log)
        elif isinstance(kind, FloatDistribution):
            trial.suggest_float(name, kind.low, kind.high, log=kind.log)
    return trial.params


def tell(study: Study, trial: Trial, value: float | None) -> None:
    """Finish a trial: complete with a value, pruned without.

    Raises:
        LostError: it was failed meanwhile.
    """
    try:
        study.tell(trial, value, TrialState.PRUNED if value is None else TrialState.COMPLETE)
    except ValueError as error:
        if study.trials[trial.number].state is TrialState.FAIL:
            raise LostError(f"trial {trial.number} was given away") from error
        raise


def fail(study: Study, number: int) -> None:
    """Fail a running trial, unless another run was first."""
    with suppress(UpdateFinishedTrialError):
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def _standing(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING, *FINISHED))
