"""The packed forest answers bit for bit as LightGBM, on every path, and refuses what it can not answer."""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import contracts.model
from contracts.model.forest import ForestError, PackedForest
from contracts.model.grid import LEVELS
from tests.contracts.model.boosters import queries, sample, train
from tests.contracts.model.slow_forest import slow_predict

Dump = dict[str, Any]
N_FEATURES = 3


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float64]:
    return sample(1, 200, N_FEATURES)[0]


@pytest.fixture(scope="module")
def boosters() -> dict[str, lgb.Booster]:
    X, y = sample(1, 200, N_FEATURES)
    return {f"T42_q{100 * a:02.0f}": train(X, y, 12, alpha=a, max_depth=3) for a in LEVELS}


@pytest.fixture(scope="module")
def dumps(boosters: dict[str, lgb.Booster]) -> dict[str, Dump]:
    return {name: booster.dump_model() for name, booster in boosters.items()}


@pytest.fixture(params=[False, True], ids=["numpy", "numba"])
def accelerate(request: pytest.FixtureRequest) -> bool:
    if request.param:
        pytest.importorskip("numba")
    return bool(request.param)


def answers(boosters: dict[str, lgb.Booster], X: NDArray[np.float64]) -> NDArray[np.float64]:
    columns = [np.asarray(booster.predict(X, num_threads=1)) for booster in boosters.values()]
    return np.stack(columns, axis=1)


def same_bits(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return found.shape == expected.shape and found.tobytes() == expected.tobytes()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(10, 150),
    n_features=st.integers(1, 4),
    shapes=st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from([-1, 1, 2, 3, 6]), st.sampled_from([2, 4, 31])),
        min_size=1,
        max_size=4,
    ),
    alpha=st.sampled_from(LEVELS),
)
def test_every_path_equals_lightgbm_on_random_models(
    seed: int, n: int, n_features: int, shapes: list[tuple[int, int, int]], alpha: float
) -> None:
    X, y = sample(seed, n, n_features)
    boosters = {
        f"m{i}": train(X, y + i, rounds, alpha=alpha, max_depth=depth, num_leaves=leaves, min_data_in_bin=1)
        for i, (rounds, depth, leaves) in enumerate(shapes)
    }
    dumps = {name: booster.dump_model() for name, booster in boosters.items()}
    asked = queries(next(iter(boosters.values())), X, seed)[:300]
    expected = answers(boosters, asked)
    for accelerated in (False, None):
        forest = PackedForest.pack(dumps, n_features, accelerated)
        assert same_bits(forest.predict(asked), expected)
        assert all(same_bits(forest.predict_row(asked[i]), expected[i]) for i in range(0, len(asked), 7))
    for i in range(0, len(asked), 11):
        slow = np.array([slow_predict(dump, asked[i]) for dump in dumps.values()])
        assert same_bits(slow, expected[i])


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 63, 64, 65, 129])
def test_a_batch_of_any_length_equals_its_rows(
    dumps: dict[str, Dump], rows: NDArray[np.float64], accelerate: bool, n: int
) -> None:
    forest = PackedForest.pack(dumps, N_FEATURES, accelerate)
    batch = forest.predict(rows[:n])
    assert batch.shape == (n, len(LEVELS))
    assert all(same_bits(forest.predict_row(rows[i]), batch[i]) for i in range(n))
    strided = np.asfortranarray(np.repeat(rows[:n], 2, axis=0))[::2]
    assert same_bits(forest.predict(strided), batch)


def test_many_trees_are_added_one_after_another(accelerate: bool, rows: NDArray[np.float64]) -> None:
    # Pairwise summation, numpy's own, would round some of 700 leaves differently.
    X, y = sample(1, 200, N_FEATURES)
    boosters = {"a": train(X, y, 700, num_leaves=4), "b": train(X, y, 3, num_leaves=4)}
    forest = PackedForest.pack({k: b.dump_model() for k, b in boosters.items()}, N_FEATURES, accelerate)
    expected = answers(boosters, rows)
    assert same_bits(forest.predict(rows), expected)
    trees = boosters["a"].dump_model()["tree_info"]
    leaves = np.array([[slow_predict({"tree_info": [tree]}, x) for tree in trees] for x in rows[:20]])
    assert (leaves.sum(axis=1) != expected[:20, 0]).any()
    assert same_bits(np.add.accumulate(leaves, axis=1)[:, -1].copy(), expected[:20, 0].copy())


def test_lightgbm_reads_tiny_inputs_as_zero_and_so_does_the_forest(accelerate: bool) -> None:
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(500, 1)), 1)
    booster = train(X, np.where(X[:, 0] < 0, 2.0, np.sign(X[:, 0])), 3)
    edge = -float(np.float32(1e-35))
    assert edge in [tree["tree_structure"]["threshold"] for tree in booster.dump_model()["tree_info"]]
    around = np.array([[edge], [np.nextafter(edge, 0)], [np.nextafter(edge, -1)], [-0.0], [5e-324]])
    forest = PackedForest.pack({"m": booster.dump_model()}, 1, accelerate)
    assert same_bits(forest.predict(around), answers({"m": booster}, around))


def test_constant_trees_and_models_without_trees(accelerate: bool, rows: NDArray[np.float64]) -> None:
    X, y = sample(1, 200, N_FEATURES)
    constant = train(X, y, 2, min_data_in_leaf=150)
    empty = copy.deepcopy(constant.dump_model())
    empty["tree_info"] = []
    forest = PackedForest.pack({"none": empty, "one": constant.dump_model()}, N_FEATURES, accelerate)
    expected = np.column_stack([np.zeros(len(rows)), answers({"one": constant}, rows)])
    assert same_bits(forest.predict(rows), expected)
    assert same_bits(forest.predict_row(rows[0]), expected[0])
    alone = PackedForest.pack({"none": empty}, N_FEATURES, accelerate)
    assert same_bits(alone.predict(rows), np.zeros((len(rows), 1)))
    assert (alone.n_trees, alone.n_nodes, alone.n_pairs) == (0, 0, 0)


def test_early_stopping_packs_the_best_iteration(accelerate: bool, rows: NDArray[np.float64]) -> None:
    X, y = sample(1, 200, N_FEATURES)
    held_out = lgb.Dataset(X, np.roll(y, 7))
    booster = lgb.train(
        {"objective": "quantile", "alpha": 0.5, "verbose": -1, "num_threads": 1},
        lgb.Dataset(X, y, params={"verbose": -1}),
        50,
        valid_sets=[held_out],
        callbacks=[lgb.early_stopping(2, verbose=False)],
    )
    forest = PackedForest.pack({"m": booster.dump_model()}, N_FEATURES, accelerate)
    assert same_bits(forest.predict(rows), answers({"m": booster}, rows))


# --- what it refuses to pack ---------------------------------------------------------------------------


def first_split(dump: Dump) -> Dump:
    return next(t["tree_structure"] for t in dump["tree_info"] if "split_feature" in t["tree_structure"])


def first_leaf(dump: Dump) -> Dump:
    node = dump["tree_info"][0]["tree_structure"]
    while "leaf_value" not in node:
        node = node["left_child"]
    return cast("Dump", node)


TWISTED_DUMPS: dict[str, Callable[[Dump], object]] = {
    "objective 'quantile'": lambda d: d.update(objective="quantile sqrt"),
    "num_class 1": lambda d: d.update(num_class=3),
    "num_tree_per_iteration 1": lambda d: d.update(num_tree_per_iteration=2),
    "average_output False": lambda d: d.update(average_output=True),
    "max_feature_idx 2": lambda d: d.update(max_feature_idx=7),
    "tree_info as a list": lambda d: d.pop("tree_info"),
    "no categorical splits": lambda d: d["tree_info"][0].update(num_cat=1),
    "decision_type '<='": lambda d: first_split(d).update(decision_type="=="),
    "missing_type 'None'": lambda d: first_split(d).update(missing_type="NaN"),
    "found 'Zero'": lambda d: first_split(d).update(missing_type="Zero"),
    "split_feature in 0..2": lambda d: first_split(d).update(split_feature=3),
    "found True": lambda d: first_split(d).update(split_feature=True),
    "finite threshold": lambda d: first_split(d).update(threshold=float("nan")),
    "finite leaf_value": lambda d: first_leaf(d).update(leaf_value=float("inf")),
    "constant leaves": lambda d: first_leaf(d).update(leaf_coeff=[1.0]),
    "a dictionary": lambda d: first_split(d).pop("right_child"),
}


@pytest.mark.parametrize("message", TWISTED_DUMPS)
def test_a_dump_it_does_not_rely_on_is_refused(dumps: dict[str, Dump], message: str) -> None:
    twisted = copy.deepcopy(dumps)
    TWISTED_DUMPS[message](twisted["T42_q25"])
    with pytest.raises(ForestError, match=message) as caught:
        PackedForest.pack(twisted, N_FEATURES)
    assert "T42_q25" in str(caught.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"reg_sqrt": True}, "quantile sqrt"),
        ({"objective": "regression"}, "objective"),
        ({"linear_tree": True}, "linear_tree"),
        ({"zero_as_missing": True}, "Zero"),
        ({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, "average_output"),
        ({"categorical_feature": "0"}, "categorical"),
    ],
)
@pytest.mark.filterwarnings("ignore:categorical_feature")
def test_real_boosters_of_other_kinds_are_refused(params: dict[str, Any], message: str) -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 5, 300), rng.normal(size=300)]).astype(float)
    y = (X[:, 0] % 2) + rng.normal(size=300) / 10
    booster = train(X, y, 2, min_data_per_group=5, **params)
    with pytest.raises(ForestError, match=message):
        PackedForest.pack({"m": booster.dump_model()}, 2)


def test_a_booster_that_saw_nan_is_refused() -> None:
    X, y = sample(1, 200, N_FEATURES)
    X[::3] = np.nan
    with pytest.raises(ForestError, match="missing_type"):
        PackedForest.pack({"m": train(X, y, 2).dump_model()}, N_FEATURES)


def test_a_threshold_that_the_dump_cuts_is_refused() -> None:
    X = np.linspace(1.0, 8.0, 300)[:, None] * 1e306
    booster = train(X, np.arange(300.0), 2)
    assert "e+306" in booster.model_to_string().split("threshold=")[1].split()[0]
    assert booster.dump_model()["tree_info"][0]["tree_structure"]["threshold"] == 1e300
    with pytest.raises(ForestError, match=r"within 1e\+300.*model m, tree 0"):
        PackedForest.pack({"m": booster.dump_model()}, 1)


def chain(splits: int) -> Dump:
    node: Dump = {"leaf_value": 0.0}
    for i in range(splits):
        node = {
            "split_feature": 0,
            "threshold": float(-i),
            "decision_type": "<=",
            "missing_type": "None",
            "left_child": node,
            "right_child": {"leaf_value": float(i)},
        }
    return {
        "objective": "quantile",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "average_output": False,
        "max_feature_idx": 0,
        "tree_info": [{"num_cat": 0, "tree_structure": node}],
    }


def test_depth_is_bounded(accelerate: bool) -> None:
    X = np.arange(-70.0, 5.0)[:, None]
    deepest = chain(64)
    found = PackedForest.pack({"m": deepest}, 1, accelerate).predict(X)
    assert found[:, 0].tolist() == [slow_predict(deepest, x) for x in X]
    with pytest.raises(ForestError, match="at most 64 splits"):
        PackedForest.pack({"m": chain(65)}, 1)


@pytest.mark.parametrize("names", [(), ("a b",), ("",), ("x" * 65,), ("a\n",)])
def test_names_and_their_number_are_checked(names: tuple[str, ...]) -> None:
    with pytest.raises(ForestError, match="Expected"):
        PackedForest.pack({name: chain(1) for name in names}, 1)


# --- what it refuses to answer -------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_named(
    dumps: dict[str, Dump], rows: NDArray[np.float64], accelerate: bool, bad: float
) -> None:
    forest = PackedForest.pack(dumps, N_FEATURES, accelerate)
    X = rows.copy()
    X[70, 2] = bad
    with pytest.raises(ForestError, match=f"found {bad} at row 70, feature 2"):
        forest.predict(X)
    with pytest.raises(ForestError, match="row 0, feature 2"):
        forest.predict_row(X[70])


@pytest.mark.parametrize("shape", [(2,), (4,), (1, 3), (0,), ()])
def test_a_row_of_another_width_is_refused(dumps: dict[str, Dump], shape: tuple[int, ...]) -> None:
    with pytest.raises(ForestError, match="shape"):
        PackedForest.pack(dumps, N_FEATURES, accelerate=False).predict_row(np.zeros(shape))


@pytest.mark.parametrize("shape", [(3,), (5, 2), (5, 4), (1, 5, 3)])
def test_a_batch_of_another_width_is_refused(dumps: dict[str, Dump], shape: tuple[int, ...]) -> None:
    with pytest.raises(ForestError, match="shape"):
        PackedForest.pack(dumps, N_FEATURES, accelerate=False).predict(np.zeros(shape))


# --- with and without numba ----------------------------------------------------------------------------


def test_without_numba_everything_else_works(
    monkeypatch: pytest.MonkeyPatch, dumps: dict[str, Dump], rows: NDArray[np.float64]
) -> None:
    expected = PackedForest.pack(dumps, N_FEATURES).predict(rows)
    monkeypatch.delattr(contracts.model._forest, "compiled", raising=False)
    monkeypatch.setitem(sys.modules, "contracts.model._forest.compiled", None)
    forest = PackedForest.pack(dumps, N_FEATURES)
    assert not forest.accelerated
    assert same_bits(forest.predict(rows), expected)
    with pytest.raises(ForestError, match="quant-bands\\[accel\\]"):
        PackedForest.pack(dumps, N_FEATURES, accelerate=True)


def test_importing_the_forest_brings_no_heavy_library() -> None:
    heavy = "{'lightgbm', 'pandas', 'numba', 'scipy', 'offline', 'worker', 'ops'}"
    code = f"import sys, contracts.model.forest, contracts.model.conformal; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- the file (its damage: test_forest_file.py) --------------------------------------------------------


def test_save_and_load_give_the_same_forest_and_the_same_bytes(
    tmp_path: Path, dumps: dict[str, Dump], rows: NDArray[np.float64], accelerate: bool
) -> None:
    forest = PackedForest.pack(dumps, N_FEATURES, accelerate)
    forest.save(tmp_path / "forest.npz")
    again = PackedForest.load(str(tmp_path / "forest.npz"), accelerate)
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "forest.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    assert same_bits(again.predict(rows), forest.predict(rows))
    assert (again.models, again.n_features, again.n_trees) == (tuple(dumps), N_FEATURES, forest.n_trees)
    with np.load(tmp_path / "forest.npz", allow_pickle=False) as plain:
        assert plain.files == ["meta", "pair_feature", "pair_threshold", "node_pair", "leaf_value"]
        assert np.isfinite(plain["leaf_value"]).all()


def test_the_bytes_are_those_of_every_release(tmp_path: Path) -> None:
    # If this digest changes, files written before can no longer be read: raise the version instead.
    PackedForest.pack({"T42_q05": chain(3)}, 1, accelerate=False).save(tmp_path / "f.npz")
    digest = hashlib.sha256((tmp_path / "f.npz").read_bytes()).hexdigest()
    assert digest == "eb6ab51d215ae4229725c3966bf333980d33f1c1faa7f258f41e6bee9a11f26a"


def test_a_failed_save_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dumps: dict[str, Dump]
) -> None:
    forest = PackedForest.pack(dumps, N_FEATURES, accelerate=False)
    file = tmp_path / "forest.npz"
    file.write_bytes(b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        forest.save(file)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["forest.npz"]


def test_a_file_that_is_not_there_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PackedForest.load(tmp_path / "nowhere.npz")
