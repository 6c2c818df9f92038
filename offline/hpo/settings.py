"""Training settings with the knobs only a search turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from offline.train.settings import TrainSettings

PROXY_SPEED = 5
"""Learning rate times this, rounds divided by it: measured at equal loss, rank correlation 0.97."""


@dataclass(frozen=True, slots=True)
class TunedSettings(TrainSettings):
    """`TrainSettings` that can also round gradients: for a proxy search, never for models that ship.

    The defaults fit the very models of `TrainSettings()`.
    """

    quantised: bool = False

    def lightgbm(self, level: float, n_rows: int) -> dict[str, Any]:
        """LightGBM's parameters for one quantile level on `n_rows` rows."""
        return TrainSettings.lightgbm(self, level, n_rows) | {
            "use_quantized_grad": self.quantised,
        }

    def searched(self) -> dict[str, Any]:
        """What a search found, by field, as a result file holds it."""
        return {name: value for name, value in self.to_json().items() if name != "quantised"}

    def proxy(self) -> Self:
        """A fit several times faster that ranks alike; learning rate × rounds stays.

        >>> fast = TunedSettings(rounds=60, learning_rate=0.02).proxy()
        >>> fast.rounds, round(fast.learning_rate, 6), fast.quantised
        (12, 0.1, True)
        """
        rounds = max(1, round(self.rounds / PROXY_SPEED))
        rate = self.learning_rate * self.rounds / rounds
        return replace(self, rounds=rounds, learning_rate=rate, quantised=True)


def default_settings() -> TrainSettings:
    """What a search starts from and is compared with: the settings that train without one."""
    return TrainSettings()
