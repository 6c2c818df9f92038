"""How every feature was distributed in training: what feature drift is measured against."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from contracts.model.drift.reference import percentiles
from offline.drift.features import FeatureNull


def encode_reference(
    rows: NDArray[np.float64], names: tuple[str, ...], null: FeatureNull | None = None
) -> bytes:
    """`reference.npz`: `quantiles` (features, 101) of `rows` (n, features) and their `names`.

    With a `null`, also `drift_null` and `drift_tail`: see `contracts.model.drift.DriftReference`. The same
    rows always give the same bytes.
    """
    members = {
        "quantiles": percentiles(rows),
        "names": np.array(names),
        "rows": np.array(len(rows)),
    }
    if null is not None:
        members |= {"drift_null": null.quantiles, "drift_tail": null.tail}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            member = io.BytesIO()
            np.save(member, np.ascontiguousarray(array), allow_pickle=False)
            # A fixed date, the first a zip can express: bundles are reproducible byte for byte.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return buffer.getvalue()
