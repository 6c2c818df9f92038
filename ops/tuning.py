"""One search over the horizons: the cores it runs on, its results, and what the registry is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.model.candle import History
from offline.dataset import Dataset
from offline.hpo import CellPool, SearchPlan, StudyOutcome, StudyProgress, ThermalGuard, search, tracked
from offline.tracking import Logged, Registry, log_study


@dataclass(frozen=True, slots=True)
class Tuned:
    """A finished search: its files in the order of the horizons asked for, and its studies."""

    plan: SearchPlan
    files: list[Path]
    outcomes: list[StudyOutcome]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the files hold."""
        return [json.loads(file.read_text()) for file in self.files]

    def log(self, place: Registry) -> Iterator[tuple[int, Logged]]:
        """Log each study that `place` does not hold in full, shortest horizon first, with its horizon.

        Raises:
            UnavailableError: the registry can not be reached or refuses.
        """
        for outcome in sorted(self.outcomes, key=lambda outcome: outcome.horizon):
            yield outcome.horizon, log_study(place, tracked(outcome, self.plan))


def tune(
    dataset: Dataset,
    histories: Sequence[History],
    horizons: Sequence[int],
    plan: SearchPlan,
    folder: Path,
    guard: ThermalGuard,
    *,
    storage: str | None = None,
    replace: bool = False,
    on_progress: Callable[[StudyProgress], None],
) -> Tuned:
    """Search with as many fits at once as `guard` begins with; see `offline.hpo.search` for the rest."""
    outcomes: list[StudyOutcome] = []
    with CellPool(guard.workers, guard) as pool:
        files = search(
            dataset,
            histories,
            horizons,
            plan,
            folder,
            pool,
            storage=storage,
            replace=replace,
            on_progress=on_progress,
            on_outcome=outcomes.append,
        )
    return Tuned(plan, files, outcomes)
