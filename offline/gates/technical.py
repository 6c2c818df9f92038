"""Gate 3, technical: models, features, infrastructure and tracking are as they should be."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.model.bundle import Bundle
from contracts.model.bundle.folder import REFERENCE
from contracts.model.context import Context
from contracts.model.features import FeatureRow
from contracts.model.grid import HORIZONS
from offline.gates.check import Check, Gate
from offline.gates.model import Examined
from offline.gates.registered import Registered

NAME, TITLE = "technical", "Technical"
MODELS = 20


def technical(examined: Examined, registered: Registered) -> Gate:
    """Judge the bundle's bytes, its answers at the end of training, and the registry."""
    bundle = examined.bundle
    if bundle is None:
        why = examined.problem or "the bundle does not load"
        checks = [Check("bundle_verifies", "fail", why, source="bundle")]
        checks += [
            Check(name, "unknown", "the bundle does not load", source="bundle")
            for name in ("models_well_formed", "probe_prediction", "features_coherent")
        ]
    else:
        hashes = f"{len(bundle.manifest.files)} files as their hashes say"
        checks = [
            Check("bundle_verifies", "pass", hashes, source="bundle"),
            _models(examined.folder, bundle),
            _probe(bundle),
            _features(examined.folder, bundle),
        ]
    return Gate(NAME, TITLE, (*checks, registered.answers(), registered.tracking()))


def _models(folder: Path, bundle: Bundle) -> Check:
    """Each LightGBM text file reads, and gives what the packed forest that serves gives, to the bit."""
    import lightgbm as lgb

    name, probes = "models_well_formed", _probes(bundle).values()
    rows = [_inputs(row, context) for row, context in probes]
    forest = bundle.predictor.forest
    if len(forest.models) != MODELS:
        return Check(name, "fail", f"expected {MODELS} models, found {len(forest.models)}", source="bundle")
    trees = 0
    for column, model in enumerate(forest.models):
        try:
            booster = lgb.Booster(model_str=(folder / "models" / f"{model}.txt").read_text())
        except lgb.basic.LightGBMError as error:
            return Check(name, "fail", f"{model} does not read: {error}", source="bundle")
        trees += booster.num_trees()
        if booster.num_feature() != len(bundle.spec.names):
            found = f"{model} reads {booster.num_feature()} features, the spec has {len(bundle.spec.names)}"
            return Check(name, "fail", found, source="bundle")
        for row in rows:
            if booster.predict(row[None], num_threads=1)[0] != forest.predict_row(row)[column]:
                return Check(
                    name, "fail", f"{model} answers otherwise than the packed forest", source="bundle"
                )
    told = f"{MODELS} models, {trees} trees; text and packed forest agree on {len(rows)} rows"
    return Check(name, "pass" if rows else "unknown", told, source="bundle")


def _probe(bundle: Bundle) -> Check:
    """The bands of the moment training stopped: finite, strictly wide, ascending."""
    name, probes = "probe_prediction", _probes(bundle)
    if not probes:
        return Check(name, "unknown", "no symbol was warm when training stopped", source="bundle")
    for symbol, (row, context) in probes.items():
        for horizon, prediction in bundle.predict(symbol, row, context).items():
            q = np.array(prediction.quantiles)
            if not np.isfinite(q).all() or (np.diff(q) < 0).any() or not q[0] < q[-1]:
                shown = ", ".join(f"{value:.5g}" for value in q)
                return Check(
                    name, "fail", f"{symbol} T{horizon}: expected finite ascending quantiles, found {shown}",
                    f"T{horizon}", source="bundle",
                )  # fmt: skip
    told = f"{len(HORIZONS)} bands of {len(probes)} symbols, finite and ascending"
    return Check(name, "pass", told, source="bundle")


def _features(folder: Path, bundle: Bundle) -> Check:
    """Spec hash (loading compared it with this code's) and the reference drift is measured against."""
    name, names = "features_coherent", bundle.spec.names
    try:
        with np.load(io.BytesIO((folder / REFERENCE).read_bytes()), allow_pickle=False) as reference:
            told, quantiles = tuple(reference["names"].tolist()), reference["quantiles"]
    except (KeyError, ValueError, OSError) as error:
        return Check(name, "fail", f"{REFERENCE} does not read: {error}", source="bundle")
    if told != names:
        return Check(name, "fail", f"{REFERENCE} is about other features than the models", source="bundle")
    if quantiles.shape[0] != len(names) or not np.isfinite(quantiles).all():
        return Check(name, "fail", f"{REFERENCE} is not finite for every feature", source="bundle")
    if (np.diff(quantiles, axis=1) < 0).any():
        return Check(name, "fail", f"{REFERENCE} holds quantiles that descend", source="bundle")
    detail = f"spec {bundle.spec.sha256[:12]}, {len(names)} features, reference finite"
    return Check(name, "pass", detail, source="bundle")


def _probes(bundle: Bundle) -> dict[str, tuple[FeatureRow, Context | None]]:
    """What every symbol that was warm when training stopped would be asked with."""
    probes: dict[str, tuple[FeatureRow, Context | None]] = {}
    for symbol, fold in bundle.states.items():
        row, opened = fold.features.row(), fold.last_open_time
        if row is None or opened is None:
            continue
        context = bundle.leader.before(opened) if bundle.spec.leader is not None else None
        if bundle.spec.leader is None or context is not None:
            probes[symbol] = row, context
    return probes


def _inputs(row: FeatureRow, context: Context | None) -> NDArray[np.float64]:
    """The models' input, shape (features,)."""
    return row.values if context is None else np.concatenate((row.values, context.values))
