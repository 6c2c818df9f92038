"""The bundle folder: written in one piece, believed only after every hash agrees.

    manifest.json            forest.npz        calibrators.json      reference.npz
    models/T42_q05.txt …     states/BTCUSDT.fold …     states/_leader.track     manifest.sig (signed bundles)

No pickle anywhere. Every file is read once; what is parsed is the very bytes that were hashed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from contracts.errors import BadInputError
from contracts.files import sync_folder
from contracts.model.bundle.bundle import Bundle
from contracts.model.bundle.manifest import Manifest
from contracts.model.bundle.signature import SIGNATURE, SignatureError, TrustedKeys
from contracts.model.conformal import calibrator_from_json
from contracts.model.context import LeaderTrack
from contracts.model.drift.reference import DriftReference
from contracts.model.forest import PackedForest
from contracts.model.grid import LEVEL_NAMES
from contracts.model.intake import SymbolFold
from contracts.model.predictor import Head, Predictor, model_name
from contracts.model.snapshot import load_leader, load_symbol
from contracts.model.spec import FeatureSpec

MANIFEST = "manifest.json"
FOREST = "forest.npz"
CALIBRATORS = "calibrators.json"
REFERENCE = "reference.npz"
LEADER = "states/_leader.track"
MAX_BYTES = 512 * 1024 * 1024
"""Of all files together; the published sizes make 60 MB."""


class BundleError(BadInputError):
    """A folder that is not a bundle this worker may believe."""


def required_files(manifest: Manifest) -> set[str]:
    """Every file of a bundle but its manifest."""
    models = {
        f"models/{model_name(head.horizon_bars, level)}.txt"
        for head in manifest.heads
        for level in LEVEL_NAMES
    }
    states = {state_path(symbol) for symbol in manifest.symbols}
    return (
        models | states | {FOREST, CALIBRATORS, REFERENCE} | ({LEADER} if manifest.features.leader else set())
    )


def state_path(symbol: str) -> str:
    """Where a symbol's fold lies inside the folder."""
    return f"states/{symbol}.fold"


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a bundle folder in one piece: it appears whole under its name, or not at all.

    `manifest.files` is filled in here from `files`, a map of paths inside the folder to their bytes.

    Raises:
        FileExistsError: `folder` exists; bundles are never written over.
        BundleError: what was written does not verify.
    """
    if folder.exists():
        raise FileExistsError(
            f"expected no folder at {folder}, found one; choose another version or remove it"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())}
    signed = manifest.model_copy(update={"files": hashes})
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        text = json.dumps(signed.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
        for path, data in {**files, MANIFEST: text.encode() + b"\n"}.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
        load_bundle(draft)
        draft.chmod(0o755)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync_folder(folder.parent)
    return folder


def verify_bundle(folder: Path, trusted: TrustedKeys | None = None) -> tuple[Manifest, str, dict[str, bytes]]:
    """Read every file once and compare it with the manifest.

    With `trusted` keys one of them must have signed the manifest. Returns the manifest, its sha256, and the
    bytes of every file by path.

    Raises:
        BundleError: anything is missing, altered, added, a link, of another schema, or not signed as asked.
    """
    try:
        raw = _read(folder, MANIFEST)
        signature = read_signature(folder)
        if trusted is not None:
            trusted.verify(raw, signature, folder)
        manifest = Manifest.model_validate_json(raw)
    except SignatureError as error:
        raise BundleError(str(error)) from error
    except ValidationError as error:
        raise BundleError(f"expected a bundle/2 manifest in {folder}, found: {error}") from error
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() or p.is_symlink()}
    found -= {SIGNATURE}
    if set(manifest.files) != required_files(manifest):
        raise BundleError(
            f"expected a manifest of exactly the files a bundle has in {folder}, found "
            f"{sorted(required_files(manifest) - set(manifest.files))} missing and "
            f"{sorted(set(manifest.files) - required_files(manifest))} unknown; train it again"
        )
    expected = set(manifest.files) | {MANIFEST}
    if found != expected:
        raise BundleError(
            f"expected exactly the files of the manifest in {folder}, found {sorted(expected - found)} "
            f"missing and {sorted(found - expected)} unknown; fetch the bundle again"
        )
    total = sum(_plain(folder, path).stat().st_size for path in manifest.files)
    if total > MAX_BYTES:
        raise BundleError(f"expected at most {MAX_BYTES} bytes in {folder}, found {total}")
    contents = {path: _read(folder, path) for path in manifest.files}
    for path, wanted in manifest.files.items():
        got = hashlib.sha256(contents[path]).hexdigest()
        if got != wanted:
            raise BundleError(
                f"expected sha256 {wanted} of {path} in {folder}, found {got}; the file was altered or cut, "
                "fetch the bundle again"
            )
    return manifest, hashlib.sha256(raw).hexdigest(), contents


def read_signature(folder: Path) -> bytes | None:
    """The bytes of a bundle's signature file; None where it is not signed.

    Raises:
        BundleError: a link or a folder stands in its place.
    """
    if not (folder / SIGNATURE).exists() and not (folder / SIGNATURE).is_symlink():
        return None
    return _read(folder, SIGNATURE)


def load_bundle(
    folder: Path, *, accelerate: bool | None = None, trusted: TrustedKeys | None = None
) -> Bundle:
    """Verify a bundle folder, its signature too where `trusted` keys are given, and make it ready to predict.

    Raises:
        BundleError: the folder does not verify, or was trained on other features than this code folds.
    """
    manifest, sha256, contents = verify_bundle(folder, trusted)
    spec = FeatureSpec(leader=manifest.features.leader)
    if spec.sha256 != manifest.features.sha256 or spec.names != manifest.features.names:
        raise BundleError(
            f"expected features of spec {spec.sha256[:12]}, which this release folds, found "
            f"{manifest.features.sha256[:12]} in {folder}; train a bundle with this release, or serve that "
            "one with the release that trained it"
        )
    try:
        forest = PackedForest.from_bytes(contents[FOREST], FOREST, accelerate=accelerate)
        if forest.n_features != len(spec.names):
            raise BundleError(f"expected a forest of {len(spec.names)} features, found {forest.n_features}")
        calibrators = json.loads(contents[CALIBRATORS])
        heads = tuple(
            Head(
                head.horizon_bars,
                {symbol: np.array(levels) for symbol, levels in head.empirical.items()},
                head.weight,
                head.median_shrink,
                {
                    symbol: calibrator_from_json(calibrators[f"T{head.horizon_bars}"][symbol])
                    for symbol in manifest.symbols
                },
            )
            for head in manifest.heads
        )
        states = {symbol: _state(contents, symbol) for symbol in manifest.symbols}
        leader = load_leader(contents[LEADER]) if spec.leader else LeaderTrack.empty()
        predictor = Predictor(forest, heads)
        reference = _reference(contents[REFERENCE], spec)
        bundle = Bundle(manifest, sha256, predictor, states, leader, reference)
        _probe(bundle)
    except (KeyError, TypeError, ValueError, RecursionError, ArithmeticError) as error:
        raise BundleError(f"expected a readable bundle in {folder}, found: {error}") from error
    return bundle


def _probe(bundle: Bundle) -> None:
    """Ask for the bands of the moment training stopped: what can not answer must not serve."""
    for head, spec in zip(bundle.predictor.heads, bundle.manifest.heads, strict=True):
        if found := {one.method for one in head.calibrators.values()} - {spec.calibrator}:
            raise BundleError(f"expected calibrator {spec.calibrator}, found {', '.join(sorted(found))}")
    for symbol, fold in bundle.states.items():
        row, opened = fold.features.row(), fold.last_open_time
        if row is not None and opened is not None:
            context = bundle.leader.before(opened)
            if bundle.spec.leader is None or context is not None:
                bundle.predict(symbol, row, context)


def _reference(data: bytes, spec: FeatureSpec) -> DriftReference:
    try:
        reference = DriftReference.from_bytes(data)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise BundleError(f"expected {REFERENCE} to be an npz file, found: {error}") from error
    if reference.names != spec.names:
        raise BundleError(f"expected {REFERENCE} of the models' features, found {reference.names}")
    return reference


def _state(contents: Mapping[str, bytes], symbol: str) -> SymbolFold:
    return load_symbol(contents[state_path(symbol)])


def _read(folder: Path, path: str) -> bytes:
    return _plain(folder, path).read_bytes()


def _plain(folder: Path, path: str) -> Path:
    file = folder / path
    if file.is_symlink() or not file.is_file():
        raise BundleError(
            f"expected a plain file at {file}, found {'a link' if file.is_symlink() else 'none'}"
        )
    return file
