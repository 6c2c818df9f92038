"""Tracking as a command does it: after its own result is there, and never at the cost of it."""

from __future__ import annotations

from collections.abc import Callable

from contracts.errors import UnavailableError
from offline.tracking import Registry
from ops.console import err
from ops.settings import Settings


def track(name: str, settings: Settings, log: Callable[[Registry], str]) -> None:
    """Log the finished work called `name` to the registry of `settings`.

    Raises:
        UnavailableError: the registry can not be reached or refuses; what was made stays.
    """
    own = settings.registry.tracking_uri
    place = Registry(settings.registry_uri, None if own else settings.mlflow_path / "artifacts")
    try:
        run_id = log(place)
    except UnavailableError as error:
        raise UnavailableError(
            f"{error}. The {name} is finished and its results are written; the same command again logs it, "
            "--no-track leaves that out"
        ) from error
    err.print(f"{name}: MLflow run {run_id}", highlight=False)
