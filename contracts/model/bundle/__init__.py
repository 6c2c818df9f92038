"""The bundle: one folder that holds all a worker needs, verified before a byte is believed."""

from contracts.model.bundle.bundle import Bundle
from contracts.model.bundle.folder import (
    BundleError,
    load_bundle,
    read_signature,
    verify_bundle,
    write_bundle,
)
from contracts.model.bundle.manifest import FeatureSpecRef, HeadSpec, Manifest, TrainingData
from contracts.model.bundle.signature import SIGNATURE, SignatureError, TrustedKeys, sign

__all__ = [
    "SIGNATURE",
    "Bundle",
    "BundleError",
    "FeatureSpecRef",
    "HeadSpec",
    "Manifest",
    "SignatureError",
    "TrainingData",
    "TrustedKeys",
    "load_bundle",
    "read_signature",
    "sign",
    "verify_bundle",
    "write_bundle",
]
