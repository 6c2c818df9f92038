"""Whatever happened to a forest file, loading it gives the forest that was saved or a ForestError."""

from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from contracts.model._forest.arrays import ForestArrays, ForestError
from contracts.model._forest.dump import pack_dumps
from contracts.model._forest.file import decode, encode
from tests.contracts.model.test_forest import chain

SOUND: dict[str, Any] = {
    # Two trees: x0 <= 0.5 ? -1 : (x1 <= 2 ? 3 : 4), and the constant 7.
    "n_features": 2,
    "models": ("a", "b"),
    "trees_per_model": (1, 1),
    "pair_feature": np.array([0, 1], dtype=np.int32),
    "pair_threshold": np.array([0.5, 2.0]),
    "node_pair": np.array([0, 2, 2, 1, 2, 2], dtype=np.int32),
    "leaf_value": np.array([7.0, -1.0, 3.0, 4.0]),
}


def sound() -> bytes:
    return encode(ForestArrays(**SOUND))


def twisted(**changes: Any) -> bytes:
    """The bytes of a forest file that no checks have seen, well formed in everything but `changes`."""
    return encode(cast("ForestArrays", SimpleNamespace(**{**SOUND, **changes})))


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int32)


def test_the_sound_file_is_read() -> None:
    arrays = decode(sound(), "here")
    assert arrays.children().tolist() == [2, 1, 2, 4, 4, 5]
    assert arrays.values().tolist() == [0.0, 7.0, -1.0, 0.0, 3.0, 4.0]
    assert arrays.depth() == 2
    assert encode(arrays) == sound()
    with pytest.raises(ValueError, match="read-only"):
        arrays.node_pair[0] = 1


@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_any_flipped_byte_is_found(mask: int) -> None:
    raw = sound()
    for i in range(len(raw)):
        broken = bytearray(raw)
        broken[i] ^= mask
        with pytest.raises(ForestError):
            decode(bytes(broken), "here")


def test_any_truncation_or_addition_is_found() -> None:
    raw = sound()
    for i in range(len(raw)):
        with pytest.raises(ForestError):
            decode(raw[:i], "here")
    for more in (raw + b"\0", b"\0" + raw, raw + raw):
        with pytest.raises(ForestError):
            decode(more, "here")


TWISTS: dict[str, dict[str, Any]] = {
    "a walk that leads to itself": {"node_pair": ints(2, 2, 2, 1, 0, 2)},
    "a split below no root": {"node_pair": ints(2, 2, 0, 1, 2, 2)},
    "children past the end": {"node_pair": ints(0, 1, 2, 1, 2, 2), "leaf_value": np.zeros(3)},
    "nodes that no tree reaches": {"node_pair": ints(0, 2, 2, 2, 2, 2), "leaf_value": np.zeros(5)},
    "only splits": {"node_pair": ints(0, 0, 1, 1, 0, 0), "leaf_value": np.zeros(0)},
    "a negative pair": {"node_pair": ints(0, 2, -1, 1, 2, 2)},
    "a pair past the end": {"node_pair": ints(0, 3, 2, 1, 2, 2)},
    "fewer nodes than roots": {"node_pair": ints(2), "leaf_value": np.zeros(1)},
    "no nodes": {"node_pair": ints(), "leaf_value": np.zeros(0)},
    "too few leaves": {"leaf_value": np.zeros(3)},
    "too many leaves": {"leaf_value": np.zeros(5)},
    "a leaf of NaN": {"leaf_value": np.array([7.0, np.nan, 3.0, 4.0])},
    "a leaf of infinity": {"leaf_value": np.array([7.0, np.inf, 3.0, 4.0])},
    "a threshold of NaN": {"pair_threshold": np.array([0.5, np.nan])},
    "a threshold of infinity": {"pair_threshold": np.array([-np.inf, 2.0])},
    "a feature past the end": {"pair_feature": ints(0, 2)},
    "a negative feature": {"pair_feature": ints(-1, 1)},
    "pairs out of order": {"pair_feature": ints(1, 0)},
    "the same pair twice": {"pair_feature": ints(0, 0), "pair_threshold": np.array([0.5, 0.5])},
    "pairs of two lengths": {"pair_threshold": np.array([0.5])},
    "no features": {"n_features": 0},
    "too many features": {"n_features": 10**9},
    "features that are not a number": {"n_features": "2"},
    "features true": {"n_features": True},
    "a negative tree count": {"trees_per_model": (-1, 3)},
    "a tree count beyond memory": {"trees_per_model": (1, 10**18)},
    "a tree count that is not whole": {"trees_per_model": (1, 1.0)},
    "too few tree counts": {"trees_per_model": (2,)},
    "no models": {"models": (), "trees_per_model": ()},
    "the same model twice": {"models": ("a", "a")},
    "a model that is not text": {"models": ("a", 7)},
    "a model with a path for a name": {"models": ("a", "../b")},
}


@pytest.mark.parametrize("twist", TWISTS)
def test_a_well_formed_file_of_nonsense_is_refused(twist: str) -> None:
    with pytest.raises(ForestError, match="in here"):
        decode(twisted(**TWISTS[twist]), "here")


def test_a_chain_deeper_than_any_walk_is_refused() -> None:
    assert pack_dumps({"m": chain(64)}, 1).depth() == 64
    splits = 65
    pairs = np.arange(splits, dtype=np.int32)
    nodes = np.concatenate([[0], *([i, splits] for i in range(1, splits)), [splits, splits]])
    with pytest.raises(ForestError, match="at most 64 levels"):
        decode(
            twisted(
                models=("m",),
                trees_per_model=(1,),
                pair_feature=np.zeros_like(pairs),
                pair_threshold=pairs.astype(float),
                node_pair=nodes.astype(np.int32),
                leaf_value=np.zeros(splits + 1),
            ),
            "here",
        )


def rebuilt(method: int = zipfile.ZIP_STORED, **replaced: Any) -> bytes:
    """The sound file as any npz writer would write it, some members replaced (None drops one)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound())) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for name in old.namelist():
            value = replaced.get(name.removesuffix(".npy"), old.read(name))
            if isinstance(value, np.ndarray):
                member = io.BytesIO()
                np.save(member, value, allow_pickle=True)
                value = member.getvalue()
            if value is not None:
                new.writestr(name, value)
    return buffer.getvalue()


FOREIGN: dict[str, dict[str, Any]] = {
    "the same arrays by another writer": {},
    "compressed": {"method": zipfile.ZIP_DEFLATED},
    "a zip bomb": {"method": zipfile.ZIP_DEFLATED, "leaf_value": np.zeros(10**7)},
    "another float": {"leaf_value": np.zeros(4, dtype=np.float32)},
    "another integer": {"node_pair": np.zeros(6, dtype=np.int64)},
    "the other byte order": {"leaf_value": np.zeros(4, dtype=">f8")},
    "two dimensions": {"leaf_value": np.zeros((2, 2))},
    "pickled objects": {"leaf_value": np.array([{}, None], dtype=object)},
    "a missing member": {"leaf_value": None},
    "meta that is not JSON": {"meta": np.frombuffer(b"{", dtype=np.uint8)},
    "meta that is not an object": {"meta": np.frombuffer(b"[]", dtype=np.uint8)},
    "meta of a later version": {"meta": np.frombuffer(b'{"version":2}', dtype=np.uint8)},
    "meta without fields": {"meta": np.frombuffer(b'{"version":1}', dtype=np.uint8)},
    "meta nested without end": {"meta": np.frombuffer(b"[" * 100_000, dtype=np.uint8)},
    "an empty member": {"pair_feature": b""},
    "a member cut in its header": {"pair_feature": b"\x93NUMPY\x01\x00\xff\xff"},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_by_another_writer_is_refused(kind: str) -> None:
    with pytest.raises(ForestError):
        decode(rebuilt(**FOREIGN[kind]), "here")


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"\x80\x04.", b"\0" * 1000], ids=repr)
def test_a_file_that_is_no_zip_is_refused(raw: bytes) -> None:
    with pytest.raises(ForestError, match="in here"):
        decode(raw, "here")
