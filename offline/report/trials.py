"""The trials of a search, from its journal; the journal is only read."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from contracts.errors import BadInputError


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One finished trial. `value` is its loss on all cells, None when it was pruned before."""

    number: int
    value: float | None


def read_trials(journal: Path, study: str) -> list[TrialPoint]:
    """The finished trials of a study, oldest first; none when the journal does not know the study.

    Works on a copy, so that a search that is still running is not disturbed.

    Raises:
        BadInputError: the journal can not be replayed.
    """
    with tempfile.TemporaryDirectory(prefix="bands-report-") as folder:
        copy = shutil.copyfile(journal, Path(folder) / "journal.log")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                storage = JournalStorage(JournalFileBackend(str(copy)))
            studies = {found.study_name: found._study_id for found in storage.get_all_studies()}
            trials = storage.get_all_trials(studies[study]) if study in studies else []
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise BadInputError(
                f"expected a journal of trials in {journal}, found {error!r}; give the folder that `bands "
                "hpo` wrote, or leave --hpo out"
            ) from error
    points = []
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.state is TrialState.COMPLETE:
            points.append(TrialPoint(trial.number, trial.value))
        elif trial.state is TrialState.PRUNED:
            points.append(TrialPoint(trial.number, None))
    return points
