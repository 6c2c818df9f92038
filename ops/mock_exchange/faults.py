"""What goes wrong at the exchange, how often, and the same at every run of one seed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from contracts.errors import BadInputError

CANDLE_FAULTS = {
    "late": 900.0,
    "missing": None,
    "revised": 1_800.0,
    "partial": 120.0,
}
"""Faults of a candle, by chance per candle, and for how many exchange seconds after its close by default:
late is not served before, missing never, revised is served with another close and volume after it, partial
without its last numbers until then."""

REQUEST_FAULTS = {
    "http429": None,
    "http500": None,
    "http503": None,
    "timeout": 30.0,
    "drop": None,
    "garbage": None,
}
"""Faults of a request, by chance per request: an error answer, no answer for so many real seconds, a
connection cut in the middle of one, a page of HTML instead of JSON."""

_KNOWN = CANDLE_FAULTS | REQUEST_FAULTS


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One kind of fault: its chance, and its seconds where it lasts."""

    kind: str
    chance: float
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> FaultSpec:
        """Read `kind=chance` or `kind=chance:seconds`.

        Raises:
            BadInputError: no such kind, or a chance outside [0, 1].

        >>> FaultSpec.parse("late=0.1:600")
        FaultSpec(kind='late', chance=0.1, seconds=600.0)
        >>> FaultSpec.parse("http500=0.05")
        FaultSpec(kind='http500', chance=0.05, seconds=0.0)
        """
        kind, _, rest = text.partition("=")
        if kind not in _KNOWN:
            near = get_close_matches(kind, _KNOWN, n=1, cutoff=0.0)[0]
            raise BadInputError(
                f"expected a fault among {', '.join(_KNOWN)}, found {kind!r}; did you mean {near}?"
            )
        chance_text, _, seconds_text = rest.partition(":")
        try:
            chance = float(chance_text)
            seconds = float(seconds_text) if seconds_text else (_KNOWN[kind] or 0.0)
        except ValueError:
            raise BadInputError(
                f"expected a fault such as {kind}=0.1 or {kind}=0.1:600, found {text!r}"
            ) from None
        if not 0 <= chance <= 1 or not seconds >= 0:
            raise BadInputError(f"expected a chance in [0, 1] and seconds >= 0, found {text!r}")
        return cls(kind, chance, seconds)


class Faults:
    """Decides what goes wrong. Candles by seed, symbol and time alone; requests by seed and their number."""

    def __init__(self, specs: Iterable[FaultSpec] = (), seed: int = 0) -> None:
        self._specs = {spec.kind: spec for spec in specs}
        self._seed = seed
        self._requests = 0
        self.happened: dict[str, int] = {}
        """How often each request fault has struck."""

    def of_candle(self, symbol: str, open_time: int) -> FaultSpec | None:
        """The one fault of a candle, or None; the same whenever it is asked."""
        for kind in CANDLE_FAULTS:
            spec = self._specs.get(kind)
            if spec is not None and self._draw(kind, symbol, open_time) < spec.chance:
                return spec
        return None

    def of_request(self) -> FaultSpec | None:
        """The fault of the next request, or None."""
        self._requests += 1
        for kind in REQUEST_FAULTS:
            spec = self._specs.get(kind)
            if spec is not None and self._draw(kind, "", self._requests) < spec.chance:
                self.happened[kind] = self.happened.get(kind, 0) + 1
                return spec
        return None

    def _draw(self, kind: str, symbol: str, number: int) -> float:
        return random.Random(f"{self._seed}/{kind}/{symbol}/{number}").random()
