"""Talking to MLflow without telemetry, without long waits, and with errors that say what to do."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from contracts.errors import UnavailableError
from contracts.registry import BUNDLE_MODEL
from offline.registry.database import ensure_database


class RegistryError(UnavailableError):
    """A registry that can not be reached, or does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Champion:
    """What an alias of the bundle model points at."""

    version: str
    label: str
    sha256: str


@contextmanager
def registry(tracking_uri: str, timeout_s: float = 3.0) -> Iterator[Any]:
    """An `MlflowClient` of `tracking_uri`; what it raises comes out as RegistryError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # It would stand in the middle of a JSON answer.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # With MLflow's defaults one look-up blocked 246 s while the server was down.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(max(1, round(timeout_s))))
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from mlflow.utils.logging_utils import disable_logging
    from sqlalchemy.exc import SQLAlchemyError

    disable_logging()  # type: ignore[no-untyped-call]
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        ensure_database(tracking_uri)
        yield MlflowClient(tracking_uri, tracking_uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        told = re.sub(r"//[^/@\s]*@", "//***@", next(iter(str(error).splitlines()), type(error).__name__))
        empty = getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"
        wanted, advice = (
            ("what was published in", "publish it with `bands publish`")
            if empty
            else ("an answer of", "start it, or name another with --tracking-uri")
        )
        raise RegistryError(f"expected {wanted} the MLflow registry, found: {told}; {advice}") from error


def find_champion(tracking_uri: str, alias: str, timeout_s: float = 3.0) -> Champion:
    """What `alias` points at.

    Raises:
        RegistryError: the registry does not answer, or has no such alias.
    """
    with registry(tracking_uri, timeout_s) as client:
        found = client.get_model_version_by_alias(BUNDLE_MODEL, alias)
        tags = found.tags
        return Champion(str(found.version), tags.get("label", "unknown"), tags.get("bundle_sha256", ""))
