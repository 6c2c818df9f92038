"""What a training run is parametrised by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """A small, hard-regularised correction to scaled empirical quantiles.

    A year holds 52 independent outcomes of a 7-day return: the published sizes (700 to 1,450 trees of
    depth 4) overfit on every coin but BTC. `leaf_share` is the least share of the rows in a leaf,
    `weight` the learned quantiles' share in the blend, `median_shrink` how far the median moves to zero.
    `folds` calendar blocks give the held-out scores that calibrate.
    """

    rounds: int = 60
    learning_rate: float = 0.02
    depth: int = 2
    leaf_share: float = 0.05
    weight: float = 0.5
    median_shrink: float = 0.5
    folds: int = 5
    seed: int = 7
    threads: int | None = None

    def lightgbm(self, level: float, n_rows: int) -> dict[str, Any]:
        """LightGBM's parameters for one quantile level on `n_rows` rows."""
        return {
            "objective": "quantile",
            "alpha": level,
            "learning_rate": self.learning_rate,
            "max_depth": self.depth,
            "num_leaves": 2**self.depth,
            "min_data_in_leaf": max(20, int(self.leaf_share * n_rows)),
            "seed": self.seed,
            # One single-threaded fit per core beats one many-threaded fit by 1.4.
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            # Rows are finite by contract; the packed forest relies on splits without a missing branch.
            "use_missing": False,
            "verbosity": -1,
        }

    def to_json(self) -> dict[str, Any]:
        """The settings that decide the result, as they stand in the manifest."""
        return {name: value for name, value in asdict(self).items() if name != "threads"}
