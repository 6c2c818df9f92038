"""All boosters of a bundle in one set of arrays, answering bit for bit as LightGBM does.

Twenty models of 900 trees ask only a few thousand different questions `x[feature] <= threshold`. Each is
asked once per row; then every tree is walked as a series of index lookups (a leaf leads to itself), and
the leaves are added in float64 in tree order, which is LightGBM's own sum. The idea of asking first and
walking later is that of QuickScorer (Lucchese et al. 2015). LightGBM itself is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from contracts.model._forest import file as forest_file
from contracts.model._forest.arrays import ForestArrays, ForestError
from contracts.model._forest.dump import pack_dumps

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["ForestError", "PackedForest"]

LIGHTGBM_ZERO: Final = float(np.float32(1e-35))
"""LightGBM reads inputs of at most this magnitude as 0.0 (its kZeroThreshold), so they are here too."""

_BLOCK_ROWS = 16
_BLOCK_WALKS = 1 << 19
"""Rows per block in numpy, and rows x trees at the most: 16 measured fastest from 1,200 to 18,000 trees,
and 2^19 walks keep the working arrays of a block near 20 MB."""


class PackedForest:
    """The quantile boosters of a bundle, packed. Immutable; safe to share between threads.

    `accelerate` (on `pack` and `load`): True needs numba, False does without, None takes it if installed.
    Both ways give the same bits; numba compiles for about a second when the forest is created.

    >>> leaf = {"leaf_value": -1.0}, {"leaf_value": 2.0}
    >>> split = {"split_feature": 0, "threshold": 0.5, "decision_type": "<=", "missing_type": "None",
    ...          "left_child": leaf[0], "right_child": leaf[1]}
    >>> dump = {"objective": "quantile", "num_class": 1, "num_tree_per_iteration": 1, "average_output": False,
    ...         "max_feature_idx": 1, "tree_info": [{"num_cat": 0, "tree_structure": split}]}
    >>> forest = PackedForest.pack({"T42_q05": dump}, n_features=2, accelerate=False)
    >>> forest.predict(np.array([[0.5, 9.0], [0.6, 9.0]]))
    array([[-1.],
           [ 2.]])
    """

    __slots__ = (
        "_accelerator",
        "_arrays",
        "_depth",
        "_node_child",
        "_node_pair",
        "_node_value",
        "_pair_feature",
        "_roots",
        "_tree_model",
    )

    def __init__(self, arrays: ForestArrays, accelerate: bool | None = None) -> None:
        self._arrays = arrays
        self._depth = arrays.depth()
        self._accelerator = _accelerator(accelerate)
        # numpy looks up fastest by its own index type; the compiled walk by less memory.
        index = np.intp if self._accelerator is None else np.int32
        self._pair_feature: NDArray[Any] = arrays.pair_feature.astype(index)
        self._node_pair: NDArray[Any] = arrays.node_pair.astype(index)
        self._node_child: NDArray[Any] = arrays.children().astype(index)
        self._node_value = arrays.values()
        self._tree_model: NDArray[Any] = np.repeat(
            np.arange(len(arrays.models)), arrays.trees_per_model
        ).astype(index)
        self._roots: NDArray[Any] = np.arange(arrays.n_trees)
        if self._accelerator is not None:
            self.predict_row(np.zeros(arrays.n_features))  # compile now, not at the first bar

    @classmethod
    def pack(
        cls, dumps: Mapping[str, Mapping[str, Any]], n_features: int, accelerate: bool | None = None
    ) -> PackedForest:
        """Pack models given as `Booster.dump_model()` dictionaries by name ("T42_q05"), in that order.

        Raises ForestError unless every model is what equality relies on: objective 'quantile' without
        reg_sqrt or random forest averaging, `n_features` features, numerical '<=' splits with
        missing_type None, constant finite leaves, at most 64 splits on a path. A model without trees
        predicts 0.0, as LightGBM's does.
        """
        return cls(pack_dumps(dumps, n_features), accelerate)

    @classmethod
    def load(cls, file: str | Path, accelerate: bool | None = None) -> PackedForest:
        """Read a forest that `save` wrote.

        Raises ForestError if a single byte is not as `save` wrote it or the arrays are inconsistent, so
        that nothing a file says can loop or read out of bounds; FileNotFoundError if there is no file.
        """
        return cls(forest_file.read(Path(file)), accelerate)

    def save(self, file: str | Path) -> None:
        """Write an npz without pickle, atomically; the same forest always gives the same bytes."""
        forest_file.write(self._arrays, Path(file))

    def to_bytes(self) -> bytes:
        """The bytes `save` writes; the same forest always gives the same."""
        return forest_file.encode(self._arrays)

    @classmethod
    def from_bytes(cls, raw: bytes, where: str, accelerate: bool | None = None) -> PackedForest:
        """The forest in `raw`, as `to_bytes` gave it; `where` names the source in errors.

        Raises ForestError as `load` does.
        """
        return cls(forest_file.decode(raw, where), accelerate)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models: the columns of a prediction."""
        return self._arrays.models

    @property
    def n_features(self) -> int:
        """The width of a row."""
        return self._arrays.n_features

    @property
    def n_trees(self) -> int:
        """Trees of all models together."""
        return self._arrays.n_trees

    @property
    def n_nodes(self) -> int:
        """Splits and leaves of all trees together."""
        return len(self._arrays.node_pair)

    @property
    def n_pairs(self) -> int:
        """Distinct (feature, threshold) comparisons: the work per row before the walk."""
        return len(self._arrays.pair_feature)

    @property
    def accelerated(self) -> bool:
        """Whether numba walks the trees."""
        return self._accelerator is not None

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Every model's prediction for `X` (n, n_features), shape (n, n_models), in the target's unit.

        Raises ForestError on another width and on NaN or infinity, naming row and feature.
        """
        rows = self._checked(np.asarray(X, dtype=np.float64), 2)
        out = np.zeros((len(rows), len(self.models)))
        if self._accelerator is not None:
            self._accelerator.predict_rows(rows, *self._tables(), out)
            return out
        step = max(1, min(_BLOCK_ROWS, _BLOCK_WALKS // max(1, self.n_trees)))
        for start in range(0, len(rows), step):
            out[start : start + step] = self._walk_block(rows[start : start + step])
        return out

    def predict_row(self, x: ArrayLike) -> NDArray[np.float64]:
        """Every model's prediction for one row `x` (n_features,), shape (n_models,).

        The same bits as `predict`, by a shorter way. Raises ForestError as `predict` does.
        """
        row = self._checked(np.asarray(x, dtype=np.float64), 1)
        if self._accelerator is not None:
            out = np.zeros(len(self.models))
            self._accelerator.predict_row(row, *self._tables(), self._depth, out)
            return out
        right = np.zeros(self.n_pairs + 1, dtype=np.intp)  # the last stays 0: a leaf leads to itself
        right[:-1] = row[self._pair_feature] > self._arrays.pair_threshold
        node = self._roots
        for _ in range(self._depth):
            node = self._node_child.take(node) + right.take(self._node_pair.take(node))
        return self._sums(self._tree_model, self._node_value.take(node), len(self.models))

    def _walk_block(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        n = len(rows)
        column = np.arange(n)
        right = np.zeros((self.n_pairs + 1, n), dtype=np.intp)
        right[:-1] = rows.T[self._pair_feature] > self._arrays.pair_threshold[:, None]
        flat = right.ravel()
        node = np.repeat(self._roots[:, None], n, axis=1)
        for _ in range(self._depth):
            node = self._node_child.take(node) + flat.take(self._node_pair.take(node) * n + column)
        cell = self._tree_model[:, None] * n + column
        sums = self._sums(cell.ravel(), self._node_value.take(node).ravel(), len(self.models) * n)
        return sums.reshape(len(self.models), n).T

    @staticmethod
    def _sums(cell: NDArray[Any], value: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
        # bincount adds one weight after another; numpy.sum would add in pairs and round differently.
        sums: NDArray[np.float64] = np.bincount(cell, value, cells).astype(np.float64, copy=False)
        return sums

    def _tables(self) -> tuple[NDArray[Any], ...]:
        return (
            self._pair_feature,
            self._arrays.pair_threshold,
            self._node_pair,
            self._node_child,
            self._node_value,
            self._tree_model,
        )

    def _checked(self, X: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
        if X.ndim != ndim or X.shape[-1] != self.n_features:
            expected = f"(n, {self.n_features})" if ndim == 2 else f"({self.n_features},)"
            raise ForestError(
                f"Expected rows of shape {expected}, found {X.shape}; give the features of the bundle's spec."
            )
        finite = np.isfinite(X)
        if not finite.all():
            row, feature = np.argwhere(~np.atleast_2d(finite))[0]
            raise ForestError(
                f"Expected finite features, found {np.atleast_2d(X)[row, feature]} at row {row}, "
                f"feature {feature}; drop the row or mend the feature."
            )
        return np.where(np.abs(X) <= LIGHTGBM_ZERO, 0.0, X)


def _accelerator(accelerate: bool | None) -> ModuleType | None:
    if accelerate is False:
        return None
    try:
        from contracts.model._forest import compiled
    except ImportError as error:
        if accelerate:
            raise ForestError(
                f"Expected numba for accelerate=True, found none ({error}); install quant-bands[accel]."
            ) from error
        return None
    return compiled
