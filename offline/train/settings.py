"""What the boosters of one horizon are fitted with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """A small, hard-regularised correction to scaled empirical quantiles.

    A year holds 52 independent outcomes of a 7-day return: the published sizes (700 to 1,450 trees of
    depth 4) overfit on every coin but BTC. `leaf_share` is the least share of the rows in a leaf,
    `weight` the share of the learned correction that is taken, `median_shrink` how far the median moves to
    zero. `extra_trees` draws split thresholds at random (Geurts, Ernst, Wehenkel 2006). `folds` calendar
    blocks give the held-out scores that calibrate.
    """

    rounds: int = 80
    learning_rate: float = 0.02
    depth: int = 3
    leaf_share: float = 0.05
    feature_fraction: float = 0.5
    bagging_fraction: float = 1.0
    lambda_l2: float = 0.0
    extra_trees: bool = True
    weight: float = 0.7
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
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            # Without a frequency LightGBM ignores the fraction.
            "bagging_freq": int(self.bagging_fraction < 1),
            "lambda_l2": self.lambda_l2,
            "extra_trees": self.extra_trees,
            "seed": self.seed,
            # One single-threaded fit per core beats one many-threaded fit by 1.4.
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            # Rows are finite by contract; the packed forest relies on splits without a missing branch.
            "use_missing": False,
            # One binned Dataset serves every leaf size.
            "feature_pre_filter": False,
            "verbosity": -1,
        }

    def to_json(self) -> dict[str, Any]:
        """The settings that decide the result."""
        return {name: value for name, value in asdict(self).items() if name != "threads"}
