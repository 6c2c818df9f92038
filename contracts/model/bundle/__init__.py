"""The bundle: one folder that holds all a worker needs, verified before a byte is believed."""

from contracts.model.bundle.bundle import Bundle
from contracts.model.bundle.folder import BundleError, load_bundle, verify_bundle, write_bundle
from contracts.model.bundle.manifest import FeatureSpecRef, HeadSpec, Manifest, TrainingData

__all__ = [
    "Bundle",
    "BundleError",
    "FeatureSpecRef",
    "HeadSpec",
    "Manifest",
    "TrainingData",
    "load_bundle",
    "verify_bundle",
    "write_bundle",
]
