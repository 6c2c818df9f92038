"""Where runs go: the registry, the experiment, and the folder of its artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.registry.client import registry
from offline.registry.runs import EXPERIMENT, ensure_experiment

__all__ = ["EXPERIMENT", "Registry", "ensure_experiment"]


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry's URI, and where a direct (SQLite) store keeps files; a server decides for itself."""

    uri: str
    artifacts: Path | None = None

    @contextmanager
    def client(self) -> Iterator[Any]:
        """An `MlflowClient`, the folder of a direct store made first.

        Raises:
            RegistryError: the registry can not be reached or refuses.
        """
        if self.artifacts is not None:
            self.artifacts.parent.mkdir(parents=True, exist_ok=True)
        with registry(self.uri) as client:
            yield client
