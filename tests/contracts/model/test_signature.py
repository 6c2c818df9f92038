"""Signed bundles: believed when a trusted key signed exactly this manifest, refused otherwise."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.model.bundle import (
    SIGNATURE,
    BundleError,
    SignatureError,
    TrustedKeys,
    load_bundle,
    read_signature,
    sign,
)
from contracts.model.bundle.folder import MANIFEST
from tests.market import TestMarket

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


class Signer:
    """A key pair: `private` as PEM, `public` as a file."""

    def __init__(self, folder: Path, name: str) -> None:
        key = Ed25519PrivateKey.generate()
        self.private = key.private_bytes(PEM, PKCS8, serialization.NoEncryption())
        self.public = folder / f"{name}.pem"
        self.public.write_bytes(key.public_key().public_bytes(PEM, SPKI))

    def sign(self, bundle: Path) -> None:
        signed = sign((bundle / MANIFEST).read_bytes(), self.private, read_signature(bundle))
        (bundle / SIGNATURE).write_bytes(signed)


@pytest.fixture
def folder(market: TestMarket, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(market.folder, tmp_path / "bundle"))
    (copy / SIGNATURE).unlink(missing_ok=True)
    return copy


@pytest.fixture
def ours(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "theirs")


def trust(*signers: Signer) -> TrustedKeys:
    found = TrustedKeys.of([signer.public for signer in signers])
    assert found is not None
    return found


def test_a_signature_changes_nothing_of_the_bundle_itself(
    folder: Path, market: TestMarket, ours: Signer
) -> None:
    ours.sign(folder)
    assert load_bundle(folder).sha256 == market.bundle.sha256
    assert load_bundle(folder, trusted=trust(ours)).sha256 == market.bundle.sha256


def test_unsigned_and_foreign_bundles_are_refused(folder: Path, ours: Signer, theirs: Signer) -> None:
    with pytest.raises(BundleError, match="found none; sign it with `bands sign`"):
        load_bundle(folder, trusted=trust(ours))
    theirs.sign(folder)
    with pytest.raises(BundleError, match=r"expected a signature of key [0-9a-f]{16} in .*, found key"):
        load_bundle(folder, trusted=trust(ours))


def test_a_bundle_made_anew_around_an_old_signature_is_refused(folder: Path, ours: Signer) -> None:
    ours.sign(folder)
    told = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**told, "version": "9.9.9"}, indent=2, sort_keys=True))
    assert load_bundle(folder).manifest.version == "9.9.9"  # the hashes agree: only the signature can tell
    with pytest.raises(BundleError, match="altered after signing"):
        load_bundle(folder, trusted=trust(ours))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"schema": "signatures/1", "signatures": []}', b"\xff\xfe", b"x" * 100_000]
)
def test_a_damaged_signature_file_is_refused(folder: Path, ours: Signer, data: bytes) -> None:
    (folder / SIGNATURE).write_bytes(data)
    with pytest.raises(BundleError, match="signatures"):
        load_bundle(folder, trusted=trust(ours))


@pytest.mark.parametrize("flaw", ["AAAA", "", "not base64!", "A" * 88])
def test_a_twisted_signature_is_refused(folder: Path, ours: Signer, flaw: str) -> None:
    ours.sign(folder)
    told = json.loads((folder / SIGNATURE).read_text())
    told["signatures"][0]["signature"] = flaw
    (folder / SIGNATURE).write_text(json.dumps(told))
    with pytest.raises(BundleError, match="altered after signing"):
        load_bundle(folder, trusted=trust(ours))


def test_a_link_in_its_place_is_refused(folder: Path, ours: Signer, tmp_path: Path) -> None:
    ours.sign(folder)
    (folder / SIGNATURE).rename(tmp_path / "elsewhere")
    (folder / SIGNATURE).symlink_to(tmp_path / "elsewhere")
    for trusted in (None, trust(ours)):
        with pytest.raises(BundleError, match="a link"):
            load_bundle(folder, trusted=trusted)


def test_keys_rotate_without_a_gap(folder: Path, ours: Signer, theirs: Signer) -> None:
    old, new = ours, theirs
    old.sign(folder)
    assert load_bundle(folder, trusted=trust(old, new))
    new.sign(folder)
    for trusted in (trust(old), trust(new), trust(old, new)):
        assert load_bundle(folder, trusted=trusted)
    again = (folder / SIGNATURE).read_bytes()
    new.sign(folder)
    assert (folder / SIGNATURE).read_bytes() == again


def test_a_folder_of_keys_trusts_each_of_them(folder: Path, ours: Signer, theirs: Signer) -> None:
    theirs.sign(folder)
    trusted = TrustedKeys.of([ours.public.parent])
    assert trusted is not None
    assert len(trusted.keys) == 2
    assert load_bundle(folder, trusted=trusted)


def test_keys_that_are_none_trust_nobody(tmp_path: Path, ours: Signer) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other.key"
    other.write_bytes(generate_private_key(SECP256R1()).public_key().public_bytes(PEM, SPKI))
    private = tmp_path / "private.key"
    private.write_bytes(ours.private)
    for path in (empty, tmp_path / "nowhere", other, private):
        with pytest.raises(SignatureError, match=r"signing\.trusted_keys"):
            TrustedKeys.of([ours.public, path])
    assert TrustedKeys.of([]) is None


def test_a_private_key_of_another_kind_is_told_and_never_quoted(folder: Path, ours: Signer) -> None:
    key = Ed25519PrivateKey.generate()
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"x"))
    other = generate_private_key(SECP256R1()).private_bytes(PEM, PKCS8, serialization.NoEncryption())
    for pem in (b"", b"rubbish", locked, other, ours.public.read_bytes()):
        with pytest.raises(SignatureError, match="expected an ed25519 private key") as told:
            sign(b"manifest", pem)
        assert "PRIVATE KEY" not in str(told.value)


def test_without_keys_cryptography_is_not_even_loaded(market: TestMarket) -> None:
    code = (
        "import sys; from pathlib import Path; from contracts.model.bundle import load_bundle;"
        "load_bundle(Path(sys.argv[1]), accelerate=False); assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(market.folder)], check=True, timeout=60)
