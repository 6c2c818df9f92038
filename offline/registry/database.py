"""The database of a registry without a server, made whole or not at all."""

from __future__ import annotations

from pathlib import Path

from contracts.files import locked, sync_folder
from contracts.registry import database_file


def ensure_database(tracking_uri: str) -> None:
    """Make the SQLite database of `tracking_uri` if it is missing; nothing to do for a server.

    MLflow makes its tables in the place where they are read, in some fifty steps: of two processes that open
    a new registry at once one fails (4 of 4 tries), and a kill in between leaves a file that every later
    start refuses (2 of 5). Here one process makes it under another name, and it appears complete.

    Raises:
        OSError: the folder can not be made or written.
        sqlalchemy.exc.SQLAlchemyError: it can not be made; the draft is removed.
    """
    file = database_file(tracking_uri)
    if file is None or file.exists():
        return
    file = file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file.with_name(f".{file.name}.lock")):
        if file.exists():
            return
        draft = file.with_name(f".{file.name}.draft")
        _remove(draft)
        try:
            _make(draft)
            _appear(draft, file)
        finally:
            _remove(draft)
        sync_folder(file.parent)


def _appear(draft: Path, file: Path) -> None:
    """Give the draft its name, unless MLflow's own server, which waits for no lock, was quicker."""
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        pass
    except OSError:  # there are no hard links here
        if not file.exists():
            draft.rename(file)


def _make(file: Path) -> None:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as ModelStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as RunStore

    uri = f"sqlite:///{file}"
    runs = RunStore(uri, str(file.with_name("artifacts")))  # type: ignore[no-untyped-call]
    models = ModelStore(uri)  # type: ignore[no-untyped-call]
    for store in (runs, models):
        store.engine.dispose()


def _remove(draft: Path) -> None:
    """The draft, and SQLite's journal of one that was cut off."""
    for one in (draft, draft.with_name(f"{draft.name}-journal")):
        one.unlink(missing_ok=True)
