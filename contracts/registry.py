"""Names in the model registry that publishing and serving agree on."""

from __future__ import annotations

from pathlib import Path

BUNDLE_MODEL = "CQR_LightGBM_Bundle"
"""The registered model whose version pins the four horizon models. Only its alias is the switch."""

BUNDLE_ARTIFACT = "bundle"
"""Where the bundle folder lies among the artifacts of its run."""

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"

SHA256_TAG = "bundle_sha256"
"""Tag of a bundle version: the hash of its manifest, and so of every byte."""

SHARE_TAG = "share"
"""Tag of a challenger's bundle version: the share of symbols, by stable hash, that it serves for real."""


def horizon_model(horizon_bars: int) -> str:
    """The registered model of one horizon.

    >>> horizon_model(42)
    'CQR_LightGBM_HPO_T42'
    """
    return f"CQR_LightGBM_HPO_T{horizon_bars}"


def database_file(tracking_uri: str) -> Path | None:
    """The file of a registry without a server (SQLite); None for any other.

    >>> database_file("sqlite:////srv/mlflow.db")
    PosixPath('/srv/mlflow.db')
    >>> database_file("http://127.0.0.1:5000") is None
    True
    """
    scheme, _, path = tracking_uri.partition(":///")
    is_file = scheme.startswith("sqlite") and path and not path.startswith(("file:", ":memory:"))
    return Path(path.partition("?")[0]) if is_file else None
