"""What the features are: names, formulas, units and sources, and the hash that both sides compare."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from contracts.model import scale
from contracts.model.grid import BAR_SECONDS

RETURN_WINDOWS = (1, 6, 18, 42, 84, 180)
VOLATILITY_WINDOWS = (6, 18, 42, 84, 180, 360)
PARKINSON_WINDOWS = (6, 42, 180)
TWO_WINDOWS = (42, 180)
RING_BARS = 360
"""Bars kept per symbol: the longest window, and how far back a repeated bar is recognised."""

WARM_UP_BARS = RING_BARS + 1
"""Bars before the first row: 360 returns need 361 closes (60 days)."""

CONTEXT_MEMORY_BARS = 1_000
"""Length of the average that the leader's scale is compared with."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of the models. Every one is finite and free of the coin's price and size."""

    name: str
    formula: str
    window_bars: int
    unit: str
    source: str


def _returns() -> list[Feature]:
    return [
        Feature(
            f"ret_{k}", f"log(C[t]/C[t-{k}]) / (σ√{k})", k, "standard deviations", "momentum, Jegadeesh 1993"
        )
        for k in RETURN_WINDOWS
    ]


def _volatilities() -> list[Feature]:
    rows = [
        Feature(
            f"rv_{k}", f"½ log(mean r² over {k} / σ²)", k, "log ratio", "realised variance, Andersen 1998"
        )
        for k in VOLATILITY_WINDOWS
    ]
    rows += [
        Feature(
            f"parkinson_{k}",
            f"½ log(mean Parkinson variance over {k} / σ²)",
            k,
            "log ratio",
            "Parkinson 1980",
        )
        for k in PARKINSON_WINDOWS
    ]
    rows.append(
        Feature(
            "garman_klass_42", "½ log(mean GK variance over 42 / σ²)", 42, "log ratio", "Garman, Klass 1980"
        )
    )
    rows.append(
        Feature(
            "rogers_satchell_42",
            "½ log(mean RS variance over 42 / σ²)",
            42,
            "log ratio",
            "Rogers, Satchell 1991",
        )
    )
    return rows


def _shape() -> list[Feature]:
    rows = [
        Feature(f"downside_{k}", f"Σ min(r,0)² / Σ r² over {k}", k, "share", "Barndorff-Nielsen 2010")
        for k in TWO_WINDOWS
    ]
    rows.append(
        Feature(
            "bipower_42",
            "(π/2) Σ|r||r₋₁| / Σ r² over 42, at most 4",
            42,
            "ratio",
            "Barndorff-Nielsen, Shephard 2004",
        )
    )
    rows += [Feature(f"skew_{k}", f"sample skewness of r over {k}", k, "1", "moments") for k in TWO_WINDOWS]
    rows += [
        Feature(f"kurt_{k}", f"sample excess kurtosis of r over {k}", k, "1", "moments") for k in TWO_WINDOWS
    ]
    return rows


def _position() -> list[Feature]:
    rows = []
    for k in TWO_WINDOWS:
        rows.append(
            Feature(f"to_high_{k}", f"log(max H over {k} / C) / (σ√{k})", k, "standard deviations", "range")
        )
        rows.append(
            Feature(f"to_low_{k}", f"log(C / min L over {k}) / (σ√{k})", k, "standard deviations", "range")
        )
    return rows


def _activity() -> list[Feature]:
    return [
        Feature("volume_z_42", "(V − mean V) / sd V over 42", 42, "standard deviations", "volume"),
        Feature("volume_6_180", "log(mean V over 6 / mean V over 180 + 1e-6)", 180, "log ratio", "volume"),
        Feature(
            "amihud_42",
            "log(mean |r|/(C·V) over 42 / the same over 360), within ±10",
            360,
            "log ratio",
            "Amihud 2002",
        ),
        Feature(
            "vol_of_vol_180", "sd over 180 of ½ log(mean r² over 6 + 1e-10)", 180, "log units", "Corsi 2008"
        ),
        Feature("autocorr_42", "Σ r·r₋₁ / Σ r² over 42, within ±1", 42, "correlation", "Lo, MacKinlay 1988"),
    ]


BASE_FEATURES: tuple[Feature, ...] = tuple(
    _returns() + _volatilities() + _shape() + _position() + _activity()
)
BASE_NAMES: tuple[str, ...] = tuple(feature.name for feature in BASE_FEATURES)

LEADER_BASE: tuple[str, ...] = (
    "ret_42",
    "ret_180",
    "rv_6",
    "rv_42",
    "rv_180",
    "to_high_180",
    "to_low_180",
    "vol_of_vol_180",
)
"""Base features of the leader that every symbol's row repeats, as of the leader's bar before this one."""

CONTEXT_FEATURES: tuple[Feature, ...] = (
    *(
        Feature(
            f"leader_{f.name}", f"{f.formula}, of the leader one bar earlier", f.window_bars, f.unit, f.source
        )
        for f in BASE_FEATURES
        if f.name in LEADER_BASE
    ),
    Feature(
        "leader_scale_1000",
        "log σ − mean log σ over 1000, of the leader one bar earlier",
        CONTEXT_MEMORY_BARS,
        "log ratio",
        "volatility regime",
    ),
)


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """The feature set of a bundle: the 33 base features, and nine of a market leader where one is named.

    >>> len(FeatureSpec().names), len(FeatureSpec(leader="BTCUSDT").names)
    (33, 42)
    """

    leader: str | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """Every column of a row, in order."""
        return BASE_FEATURES if self.leader is None else BASE_FEATURES + CONTEXT_FEATURES

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def sha256(self) -> str:
        """Hash over formulas, windows, scale and leader: rows of equal hash mean the same thing."""
        meaning = {
            "schema": "features/1",
            "features": [asdict(feature) for feature in self.features],
            "leader": self.leader,
            "bar_seconds": BAR_SECONDS,
            "ring_bars": RING_BARS,
            "scale": {
                "half_lives_bars": scale.HALF_LIVES_BARS,
                "weights": scale.WEIGHTS,
                "variance_floor": scale.VARIANCE_FLOOR,
            },
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
