"""Signing bundles by the settings, and whose signatures the settings trust."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.files import write_atomic
from contracts.model.bundle import SIGNATURE, TrustedKeys, read_signature, sign, verify_bundle
from contracts.model.bundle.folder import MANIFEST
from contracts.model.bundle.signature import key_id, load_private, load_public
from ops.security.secrets import private_folder, read_secret_bytes, write_private
from ops.settings import Settings

PRIVATE, PUBLIC = "signing.key", "signing.pub.pem"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a new pair of keys lies, and the id of both."""

    private: Path
    public: Path
    id: str


def trusted_of(settings: Settings) -> TrustedKeys | None:
    """The keys of which one must have signed a bundle; None where none are configured.

    Raises:
        SignatureError: a configured key can not be read; nobody is then trusted.
    """
    return TrustedKeys.of(settings.signing.trusted_keys)


def new_keys(folder: Path) -> KeyPair:
    """Make an ed25519 pair in `folder`; keys are never written over.

    Raises:
        FileExistsError: one of the two files is there.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private_file, public_file = folder / PRIVATE, folder / PUBLIC
    for file in (private_file, public_file):
        if file.exists():
            raise FileExistsError(f"expected no key at {file}, found one; choose another --out")
    private = Ed25519PrivateKey.generate()
    private_folder(folder)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key()
    shown = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(private_file, pem)
    write_atomic(public_file, shown)
    return KeyPair(private_file, public_file, key_id(public.public_bytes_raw()))


def id_of_public(file: Path) -> str:
    """The id of the public key in a PEM file; raises SignatureError where there is none."""
    return key_id(load_public(file).public_bytes_raw())


def sign_bundle(folder: Path, key_file: Path) -> str:
    """Sign a bundle that verifies, beside whoever has signed it already; returns the key's id.

    The same key again leaves the same bytes.

    Raises:
        BundleError: the folder does not verify.
        SecretError: the key file is missing or readable by everybody.
        SignatureError: it is no ed25519 key.
    """
    verify_bundle(folder)
    pem = read_secret_bytes(key_file, "signing.key_file")
    before = read_signature(folder)
    after = sign((folder / MANIFEST).read_bytes(), pem, before)
    if after != before:
        write_atomic(folder / SIGNATURE, after)
    return key_id(load_private(pem).public_key().public_bytes_raw())


def sign_if_configured(folder: Path, settings: Settings) -> str | None:
    """Sign an unsigned bundle where `signing.key_file` is set; the key's id, or None where nothing was done.

    What another has signed stays as it is: whether that one is believed is for the trusted keys to say.

    Raises:
        BundleError, SecretError, SignatureError: as `sign_bundle`.
    """
    own = settings.signing.key_file
    if own is None or read_signature(folder) is not None:
        return None
    return sign_bundle(folder, own)
