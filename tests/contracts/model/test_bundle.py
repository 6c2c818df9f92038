"""The bundle folder: whole or not at all, believed only when every byte agrees."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from contracts.model.bundle import BundleError, Manifest, load_bundle, verify_bundle, write_bundle
from contracts.model.bundle.folder import MANIFEST
from contracts.model.conformal import AdaptiveCQR, SplitCQR
from contracts.model.features import FeatureRow
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVEL_NAMES
from tests.market import SYMBOLS, TestMarket


@pytest.fixture
def folder(market: TestMarket, tmp_path: Path) -> Path:
    return Path(shutil.copytree(market.folder, tmp_path / "bundle"))


def edit_manifest(folder: Path, **changes: object) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**told, **changes}))


def test_it_holds_what_the_design_names(market: TestMarket) -> None:
    manifest, _, _ = verify_bundle(market.folder)
    expected = {"forest.npz", "calibrators.json", "reference.npz", "states/_leader.track"}
    expected |= {f"models/T{h}_{level}.txt" for h in HORIZONS for level in LEVEL_NAMES}
    expected |= {f"states/{symbol}.fold" for symbol in manifest.symbols}
    assert set(manifest.files) == expected
    assert not [path for path in market.folder.rglob("*") if path.suffix in {".pkl", ".joblib"}]


def test_one_altered_byte_anywhere_is_refused(folder: Path, market: TestMarket) -> None:
    for path in sorted(market.bundle.manifest.files):
        file = folder / path
        whole = file.read_bytes()
        for position in (0, len(whole) // 2, len(whole) - 1):
            twisted = bytearray(whole)
            twisted[position] ^= 1
            file.write_bytes(bytes(twisted))
            with pytest.raises(BundleError, match="altered or cut"):
                load_bundle(folder)
        file.write_bytes(whole)
    assert load_bundle(folder).sha256 == market.bundle.sha256


def test_a_missing_an_added_and_a_linked_file_are_refused(folder: Path) -> None:
    (folder / "states" / "extra").write_text("x")
    with pytest.raises(BundleError, match=r"states/extra'\] unknown"):
        load_bundle(folder)
    (folder / "states" / "extra").unlink()
    (folder / "forest.npz").rename(folder / "forest.gone")
    with pytest.raises(BundleError, match=r"forest.npz'\] missing"):
        load_bundle(folder)
    (folder / "forest.npz").symlink_to(folder / "forest.gone")
    (folder / "forest.gone").rename(folder.parent / "elsewhere")
    with pytest.raises(BundleError, match="a link"):
        load_bundle(folder)


def test_no_manifest_no_bundle(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match="expected a plain file"):
        load_bundle(tmp_path / "nowhere")
    (folder / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match="manifest"):
        load_bundle(folder)


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "", "a\\b"])
def test_a_manifest_can_not_reach_outside(folder: Path, path: str) -> None:
    files = json.loads((folder / MANIFEST).read_text())["files"]
    edit_manifest(folder, files={**files, path: "0" * 64})
    with pytest.raises(BundleError, match="inside the bundle"):
        load_bundle(folder)


def test_features_of_another_spec_are_refused(folder: Path) -> None:
    features = json.loads((folder / MANIFEST).read_text())["features"]
    edit_manifest(folder, features={**features, "sha256": "1" * 64})
    with pytest.raises(BundleError, match="which this release folds"):
        load_bundle(folder)
    edit_manifest(folder, features={**features, "names": features["names"][::-1]})
    with pytest.raises(BundleError, match="which this release folds"):
        load_bundle(folder)


def test_missing_horizons_and_other_levels_are_refused(folder: Path) -> None:
    heads = json.loads((folder / MANIFEST).read_text())["heads"]
    edit_manifest(folder, heads=heads[:3])
    with pytest.raises(BundleError, match="one head for each"):
        load_bundle(folder)
    edit_manifest(folder, heads=heads, levels=[0.1, 0.25, 0.5, 0.75, 0.9])
    with pytest.raises(BundleError, match="quantile levels"):
        load_bundle(folder)


def test_a_bundle_is_never_written_over(folder: Path, market: TestMarket) -> None:
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(FileExistsError, match="expected no folder"):
        write_bundle(folder, market.bundle.manifest, {})
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_what_does_not_verify_leaves_nothing_behind(tmp_path: Path, market: TestMarket) -> None:
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "new", market.bundle.manifest, {"forest.npz": b"rubbish"})
    assert list(tmp_path.iterdir()) == []


def test_the_written_manifest_reads_back(market: TestMarket) -> None:
    text = (market.folder / MANIFEST).read_text()
    assert Manifest.model_validate_json(text) == market.bundle.manifest


def test_bands_are_ordered_nested_and_scale_with_sigma(market: TestMarket) -> None:
    bundle = market.bundle
    row = FeatureRow(np.zeros(33), 0.01, 1.0, bundle.leader.last_open_time + 14_400)
    context = bundle.leader.before(bundle.leader.last_open_time + 14_400)
    small = bundle.predict("AAA", row, context)
    wide = bundle.predict("AAA", row._replace(sigma=0.02), context)
    for horizon in HORIZONS:
        quantiles = small[horizon].quantiles
        assert list(quantiles) == sorted(quantiles)
        np.testing.assert_allclose(wide[horizon].quantiles, 2 * np.array(quantiles), rtol=1e-12)
    with pytest.raises(KeyError, match="ZZZ"):
        bundle.predict("ZZZ", row, context)
    with pytest.raises(ValueError, match="leader"):
        bundle.predict("AAA", row, None)


def rewrite(folder: Path, path: str, data: bytes | None) -> None:
    """Alter a file, or drop it, and make the manifest agree: what a careless or hostile author can do."""
    files = json.loads((folder / MANIFEST).read_text())["files"]
    if data is None:
        del files[path]
        (folder / path).unlink()
    else:
        (folder / path).write_bytes(data)
        files[path] = hashlib.sha256(data).hexdigest()
    edit_manifest(folder, files=files)


@pytest.mark.parametrize(
    "path", ["models/T42_q05.txt", "reference.npz", "states/AAA.fold", "states/_leader.track"]
)
def test_an_incomplete_bundle_with_an_honest_manifest_is_refused(folder: Path, path: str) -> None:
    rewrite(folder, path, None)
    with pytest.raises(BundleError, match="missing"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("path", "find", "put"),
    [
        ("states/AAA.fold", b'"sums":[', b'"sums":[NaN,'),
        ("states/AAA.fold", b'"count":', b'"count":-'),
        ("states/_leader.track", b'"open_times":[', b'"open_times":[-1' + b"0" * 30 + b","),
        ("calibrators.json", b'"0.50": ', b'"0.50": "x", "0.5": '),
    ],
)
def test_state_that_can_not_be_is_refused(folder: Path, path: str, find: bytes, put: bytes) -> None:
    whole = (folder / path).read_bytes()
    assert find in whole
    twisted = whole.replace(find, put, 1)
    if twisted[:4] == b"QBS1":
        twisted = (
            twisted[:4]
            + struct.pack("<I", struct.unpack("<I", whole[4:8])[0] + len(put) - len(find))
            + twisted[8:]
        )
    rewrite(folder, path, twisted)
    with pytest.raises(BundleError, match="readable bundle"):
        load_bundle(folder)


def test_deep_nesting_is_an_error_and_no_crash(folder: Path) -> None:
    rewrite(folder, "calibrators.json", b"[" * 200_000)
    with pytest.raises(BundleError):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("symbols", ["AAA", "BBB", "AAA"]),
        ("max_gap_bars", -1),
        ("features", {"leader": "ZZZ"}),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(folder: Path, name: str, value: object) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    edit_manifest(folder, **{name: {**told[name], **value} if isinstance(value, dict) else value})
    with pytest.raises(BundleError):
        load_bundle(folder)


def test_impossible_quantiles_are_refused(folder: Path) -> None:
    heads = json.loads((folder / MANIFEST).read_text())["heads"]
    for empirical in ([0.0, -1.0, 0.0, 1.0, 2.0], [-1e308, -1.0, 0.0, 1.0, 2.0]):
        told = {**heads[0]["empirical"], "BBB": empirical}
        edit_manifest(folder, heads=[{**heads[0], "empirical": told}, *heads[1:]])
        with pytest.raises(BundleError, match=r"ascending quantiles within .* of BBB"):
            load_bundle(folder)


def test_a_head_that_lacks_a_symbol_is_refused(folder: Path) -> None:
    heads = json.loads((folder / MANIFEST).read_text())["heads"]
    del heads[2]["empirical"]["BBB"]
    edit_manifest(folder, heads=heads)
    with pytest.raises(BundleError, match="empirical quantiles of each of"):
        load_bundle(folder)


def test_a_bundle_of_the_first_schema_is_refused(folder: Path) -> None:
    """Its heads have one calibrator for all symbols, and its models learned quantiles, not corrections."""
    edit_manifest(folder, schema="bundle/1")
    with pytest.raises(BundleError, match=r"expected a bundle/2 manifest"):
        load_bundle(folder)


def test_every_symbol_gets_back_its_own_calibrators(market: TestMarket, tmp_path: Path) -> None:
    _, _, contents = verify_bundle(market.folder)
    widths = {(s, h): (0.1 * h + n, 0.01 * h + n) for n, s in enumerate(SYMBOLS) for h in HORIZONS}
    wanted = {key: AdaptiveCQR(outer, inner, 0.004, 1_000) for key, (outer, inner) in widths.items()}
    told = {f"T{h}": {s: wanted[s, h].to_json() for s in SYMBOLS} for h in HORIZONS}
    files = contents | {"calibrators.json": json.dumps(told).encode()}
    bundle = load_bundle(write_bundle(tmp_path / "new", market.bundle.manifest, files))
    assert {
        (s, h.horizon_bars): c for h in bundle.predictor.heads for s, c in h.calibrators.items()
    } == wanted
    row = FeatureRow(np.zeros(33), 0.01, 1.0, bundle.leader.last_open_time + BAR_SECONDS)
    context = bundle.leader.before(row.close_time)
    for symbol in SYMBOLS:
        for horizon, prediction in bundle.predict(symbol, row, context).items():
            assert prediction.method == "adaptive_cqr"
            assert prediction.q_hat == dict(zip((0.90, 0.50), widths[symbol, horizon], strict=True))


def test_a_trained_bundle_holds_what_each_symbol_taught(market: TestMarket) -> None:
    for head in market.bundle.predictor.heads:
        first, second = (head.calibrators[symbol] for symbol in SYMBOLS)
        assert first.q_hat != second.q_hat
        assert not np.array_equal(*(head.empirical[symbol] for symbol in SYMBOLS))


@pytest.mark.parametrize(
    ("of_bbb", "match"),
    [
        (None, "'BBB'"),
        (SplitCQR(0.1, 0.1, 99).to_json(), "expected calibrator adaptive_cqr, found split_cqr"),
    ],
)
def test_calibrators_that_do_not_fit_the_manifest_are_refused(
    folder: Path, of_bbb: dict[str, object] | None, match: str
) -> None:
    told = json.loads((folder / "calibrators.json").read_text())
    del told["T54"]["BBB"]
    if of_bbb is not None:
        told["T54"]["BBB"] = of_bbb
    rewrite(folder, "calibrators.json", json.dumps(told).encode())
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)
