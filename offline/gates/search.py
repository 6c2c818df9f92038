"""The best pinball of each horizon's parameter search, from `best_params_T=42.json` and its siblings."""

from __future__ import annotations

import math
from pathlib import Path

from contracts.errors import BadInputError
from contracts.model.grid import HORIZONS
from offline.gates.source import Source, read_json

HPO_SCHEMA = "hpo/1"


def read_search(folder: Path) -> tuple[list[Source], dict[str, float]]:
    """The files found and the best pinball they tell, by horizon.

    Raises:
        BadInputError: the folder holds none, or one that is not of its horizon or tells no finite loss.
    """
    sources, best = [], {}
    for horizon in HORIZONS:
        path = folder / f"best_params_T={horizon}.json"
        if not path.is_file():
            continue
        source, told = read_json(path, "the result of `bands hpo`", HPO_SCHEMA)
        loss = told.get("best_pinball")
        if told.get("horizon_bars") != horizon or not isinstance(loss, int | float):
            raise BadInputError(
                f"expected horizon_bars {horizon} and a best_pinball in {path}, found "
                f"{told.get('horizon_bars')!r} and {loss!r}; give the folder `bands hpo` wrote"
            )
        if not math.isfinite(loss) or loss < 0:
            raise BadInputError(f"expected a finite best_pinball of at least 0 in {path}, found {loss}")
        sources.append(source)
        best[f"T{horizon}"] = float(loss)
    if not sources:
        raise BadInputError(
            f"expected best_params_T=42.json or a sibling in {folder}, found none; `bands hpo` writes them"
        )
    return sources, best
