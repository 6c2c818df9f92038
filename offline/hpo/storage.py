"""Where trials are kept: a journal file, or a journal on Redis.

A journal is only ever appended to. Whoever is killed while appending leaves half a line, which was never
acknowledged and is cut off at the next start; anything else that can not be read is left as it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.storages.journal._storage import JournalOperation

from contracts.errors import BadInputError
from offline.hpo.crew import Alone, Crew, redis_crew
from offline.hpo.redis_journal import RedisJournal

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
REDIS_PREFIX = "bands:hpo"


class _Owned(JournalFileOpenLock):
    """No lock per record: the run holds its own throughout, and the kernel releases it when the run dies."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


class _FileJournal(JournalFileBackend):
    """A file that a full disk leaves with whole records only."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file), lock_obj=_Owned(str(file)))
        self._file = file

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, all of them or none."""
        before = self._file.stat().st_size
        try:
            super().append_logs(logs)
        except OSError as error:
            os.truncate(self._file, before)
            raise OSError(
                f"expected to append to the journal {self._file}, found {error.strerror or error}; what was "
                "finished is kept: make room and run the same command again"
            ) from error


@contextmanager
def open_storage(place: str | Path) -> Iterator[JournalStorage]:
    """The storage at a file's path or a Redis URL.

    A file serves one run at once, checked. A study on Redis may be shared by several machines, which
    `crew_at` brings together.

    Raises:
        BadInputError: the journal is damaged, or another run is using it.
        OSError: its folder can not be written.
        RedisError: the server does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if str(place).startswith(REDIS_SCHEMES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            backend = RedisJournal(str(place), prefix=REDIS_PREFIX)
        yield JournalStorage(backend)
        return
    file = Path(place)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("ab") as lock:
        _own(lock, file)
        n_studies, n_trials = mend(file)
        try:
            storage = JournalStorage(_FileJournal(file))
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise _damaged(file, f"a record that can not be replayed ({error!r})") from error
        studies = storage.get_all_studies()
        # Optuna passes over records whose study or trial it does not know: a gap would go unnoticed.
        if (found := sum(storage.get_n_trials(s._study_id) for s in studies)) != n_trials:
            raise _damaged(file, f"{n_trials} trials recorded and {found} that belong to a study")
        if len(studies) != n_studies:
            raise _damaged(file, f"{n_studies} studies recorded and {len(studies)} that can be replayed")
        yield storage


@contextmanager
def crew_at(place: str | Path) -> Iterator[Crew]:
    """Who shares the storage at `place`: join them, and leave them in the end."""
    if str(place).startswith(REDIS_SCHEMES):
        with redis_crew(str(place), REDIS_PREFIX) as crew:
            yield crew
    else:
        yield Alone()


def mend(file: Path) -> tuple[int, int]:
    """Check every record of a journal, cut off the half line of a run that was killed, count.

    Returns how many studies and trials the records create.

    Raises:
        BadInputError: a whole line is no record, or the half line never was the start of one.
    """
    studies, trials = set(), 0
    if not file.exists():
        return 0, 0
    with file.open("rb") as journal:
        sound = 0
        for number, line in enumerate(journal, 1):
            if not line.endswith(b"\n"):
                if not b'{"op_code":'.startswith(line[:11]):
                    raise _damaged(file, f"line {number} to be no record")
                break
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict) or "op_code" not in record:
                raise _damaged(file, f"line {number} to be no record")
            if record["op_code"] == JournalOperation.CREATE_STUDY:
                studies.add(record.get("study_name"))
            trials += record["op_code"] == JournalOperation.CREATE_TRIAL
            sound += len(line)
    if sound < file.stat().st_size:
        with file.open("r+b") as journal:
            journal.truncate(sound)
    return len(studies), trials


def _own(lock: IO[bytes], file: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BadInputError(
            f"expected to be the only search on {file}, found another one running; wait for it, or give "
            "this one its own --storage"
        ) from error


def _damaged(file: Path, found: str) -> BadInputError:
    return BadInputError(
        f"expected a journal of trials in {file}, found {found}; nothing was changed: restore the file from "
        "a copy, or move it away to start anew"
    )
