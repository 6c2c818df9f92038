"""Signatures of a bundle: ed25519 over the bytes of its manifest, which hold the hash of every other file.

`manifest.sig`, beside the manifest, is JSON: `{"schema": "signatures/1", "signatures": [{"key_id",
"algorithm", "signature"}]}`, the signature in base64. Several keys may have signed, so that a new key can be
introduced before an old one goes. `cryptography` is loaded only by who signs or verifies.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from contracts.errors import BadInputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "manifest.sig"
SCHEMA: Literal["signatures/1"] = "signatures/1"
MAX_BYTES = 64 * 1024
MAX_SIGNATURES = 32
PUBLIC_SUFFIX = ".pem"

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class SignatureError(BadInputError):
    """A key that can not be read, or a signature that is missing, foreign or about other bytes."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True)


class Signature(_Told):
    """One key's signature."""

    key_id: KeyId
    algorithm: Literal["ed25519"]
    signature: str

    @property
    def raw(self) -> bytes:
        """The signature's 64 bytes."""
        try:
            return base64.b64decode(self.signature, validate=True)
        except binascii.Error:
            return b""


class Signatures(_Told):
    """The file."""

    schema_: Literal["signatures/1"] = Field(default=SCHEMA, alias="schema")
    signatures: tuple[Signature, ...] = Field(min_length=1, max_length=MAX_SIGNATURES)

    @classmethod
    def parse(cls, data: bytes) -> Signatures:
        """What is in a signature file.

        Raises:
            SignatureError: it is not one.
        """
        try:
            return cls.model_validate_json(data[: MAX_BYTES + 1])
        except ValidationError as error:
            raise SignatureError(
                f"expected signatures ({SCHEMA}) in {SIGNATURE}, found: {error}; sign the bundle again"
            ) from error

    def to_bytes(self) -> bytes:
        """The file's bytes; the same signatures give the same ones."""
        ordered = sorted(self.signatures, key=lambda one: one.key_id)
        told = {"schema": SCHEMA, "signatures": [one.model_dump(mode="json") for one in ordered]}
        return json.dumps(told, indent=2).encode() + b"\n"


def key_id(public: bytes) -> str:
    """The name of a public key: the first 16 hexadecimal digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def sign(manifest: bytes, private_pem: bytes, before: bytes | None = None) -> bytes:
    """The signature file of a manifest: this key's signature beside those of other keys in `before`.

    Raises:
        SignatureError: the key is not an ed25519 key in PEM without a passphrase, or `before` is no
            signature file.
    """
    private = load_private(private_pem)
    mine = Signature(
        key_id=key_id(private.public_key().public_bytes_raw()),
        algorithm="ed25519",
        signature=base64.b64encode(private.sign(manifest)).decode(),
    )
    others = Signatures.parse(before).signatures if before is not None else ()
    return Signatures(signatures=(*(one for one in others if one.key_id != mine.key_id), mine)).to_bytes()


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Whose signature is believed: public keys by id. Made of files, read when they are needed."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> TrustedKeys | None:
        """The keys of files and folders (every `*.pem` in them); None where no path is given.

        Raises:
            SignatureError: a path holds no key, or a file another kind of key; nobody is then trusted.
        """
        if not paths:
            return None
        found = {}
        for path in paths:
            for file in _files_of(path.expanduser()):
                public = load_public(file)
                found[key_id(public.public_bytes_raw())] = public
        return cls(found)

    def verify(self, manifest: bytes, signatures: bytes | None, where: object) -> str:
        """The id of the trusted key that has signed this manifest.

        Raises:
            SignatureError: nobody has signed it, no trusted key has, or a signature is not about it.
        """
        from cryptography.exceptions import InvalidSignature

        if signatures is None:
            raise SignatureError(
                f"expected a signature of {self} in {where}, found none; sign it with `bands sign`, or serve "
                "one that is signed"
            )
        told = Signatures.parse(signatures).signatures
        mine = [one for one in told if one.key_id in self.keys]
        if not mine:
            raise SignatureError(
                f"expected a signature of {self} in {where}, found "
                f"{_names(one.key_id for one in told)}; "
                "add that key to signing.trusted_keys if you trust it"
            )
        for one in mine:
            try:
                self.keys[one.key_id].verify(one.raw, manifest)
            except InvalidSignature:
                raise SignatureError(
                    f"expected the manifest that key {one.key_id} has signed in {where}, found "
                    "another; it was altered after signing, fetch the bundle again"
                ) from None
        return mine[0].key_id

    def __str__(self) -> str:
        return _names(self.keys)


def load_private(pem: bytes) -> Ed25519PrivateKey:
    """An ed25519 private key.

    Raises:
        SignatureError: it is another kind of key, or none; the message does not quote it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Wanted

    found: Any = None
    try:
        serialization = _serialization()
        found = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        told = "an encrypted key" if isinstance(error, TypeError) else "none"
        raise SignatureError(
            f"expected an ed25519 private key in PEM without a passphrase, found {told}; "
            "`bands keys new` makes one"
        ) from None
    if not isinstance(found, Wanted):
        raise SignatureError(
            f"expected an ed25519 private key, found {type(found).__name__}; `bands keys new` makes one"
        )
    return found


def load_public(file: Path) -> Ed25519PublicKey:
    """The ed25519 public key in a PEM file.

    Raises:
        SignatureError: the file can not be read or holds another kind of key, a private one included.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as Wanted

    try:
        found: Any = _serialization().load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise SignatureError(
            f"expected a public key at {file} (signing.trusted_keys), found: {error.strerror or error}; "
            "correct the setting"
        ) from error
    except ValueError:
        found = None
    if not isinstance(found, Wanted):
        raise SignatureError(
            f"expected an ed25519 public key in PEM at {file} (signing.trusted_keys), found "
            f"{'none' if found is None else type(found).__name__}; `bands keys new` makes a pair"
        )
    return found


def _serialization() -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(f"*{PUBLIC_SUFFIX}"))
    if not found:
        raise SignatureError(
            f"expected public keys (*{PUBLIC_SUFFIX}) in {path} (signing.trusted_keys), found none; put one "
            "there or correct the setting"
        )
    return found


def _names(ids: Iterable[str]) -> str:
    return " or ".join(f"key {one}" for one in sorted(ids))
