"""What a worker writes for a champion and a challenger of given widths, on a market without memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.stats import norm

from contracts.events import Band, Calibration, Outcome, Quantiles, ShadowScore
from contracts.model.grid import BAR_SECONDS, HORIZONS, LEVELS
from contracts.model.scores import hits, pinball, pit, winkler
from contracts.topics import Topics

START = 1_577_836_800
SIGMA = 0.01
Z = norm.ppf(LEVELS)


@dataclass
class Played:
    """Bar after bar onto the streams of `client`: bands and shadows at once, outcomes as labels close."""

    client: Any
    champion: str = "1.0.0-aaaaaaaaaaaa"
    challenger: str = "1.1.0-bbbbbbbbbbbb"
    champion_width: float = 0.3
    challenger_width: float = 1.0
    symbols: tuple[str, ...] = ("AAA",)
    served_by_challenger: tuple[str, ...] = ()
    missing: frozenset[int] = frozenset()
    seed: int = 0
    maxlen: int | None = None
    bar: int = 0
    closes: dict[str, list[float]] = field(default_factory=dict)

    def play(self, bars: int) -> None:
        """The next `bars` bars of every symbol."""
        pipeline = self.client.pipeline(transaction=False)
        for _ in range(bars):
            for number, symbol in enumerate(self.symbols):
                rng = np.random.default_rng([self.seed, number, self.bar])
                past = self.closes.setdefault(symbol, [])
                past.append((past[-1] if past else 0.0) + SIGMA * float(rng.normal()))
                for horizon in HORIZONS:
                    self._write(pipeline, symbol, horizon)
            self.bar += 1
        pipeline.execute()

    def _write(self, pipeline: Any, symbol: str, horizon: int) -> None:
        topics = Topics()
        served = symbol in self.served_by_challenger
        for_real, shadow = self._widths(served)
        self._add(pipeline, topics.bands(horizon), self._band(symbol, horizon, self.bar, *for_real))
        self._add(pipeline, topics.shadow(horizon), self._band(symbol, horizon, self.bar, *shadow))
        if self.bar >= horizon:
            told = self._outcome(symbol, horizon, self.bar - horizon, for_real, shadow)
            self._add(pipeline, topics.outcomes(horizon), told)

    def _widths(self, swapped: bool) -> tuple[tuple[str, float], tuple[str, float]]:
        pair = ((self.champion, self.champion_width), (self.challenger, self.challenger_width))
        return (pair[1], pair[0]) if swapped else pair

    def _add(self, pipeline: Any, stream: str, event: Band | Outcome) -> None:
        pipeline.xadd(stream, {"data": event.to_wire()}, maxlen=self.maxlen, approximate=False)

    def _band(self, symbol: str, horizon: int, bar: int, label: str, width: float) -> Band:
        q = quantiles(horizon, width)
        names = dict(zip(("q05", "q25", "q50", "q75", "q95"), q, strict=True))
        return Band(
            status="band", symbol=symbol, horizon_bars=horizon, open_time=at(bar - 1), issued_at=at(bar),
            target_time=at(bar + horizon), ref_price=100.0, origin="live", bundle=label,
            returns=Quantiles(**names), prices=Quantiles(**{k: 100 * math.exp(v) for k, v in names.items()}),
            sigma=SIGMA, calibration=Calibration(method="split", q_hat_90=0.0, q_hat_50=0.0),
        )  # fmt: skip

    def _outcome(
        self, symbol: str, horizon: int, bar: int, own: tuple[str, float], other: tuple[str, float]
    ) -> Outcome:
        heading: dict[str, Any] = {
            "symbol": symbol, "horizon_bars": horizon, "issued_at": at(bar), "target_time": at(bar + horizon),
            "bundle": own[0], "origin": "live",
        }  # fmt: skip
        if bar + horizon in self.missing:
            return Outcome(status="unresolved", reason="missing", **heading)
        y = self.closes[symbol][bar + horizon] - self.closes[symbol][bar]
        shadow = ShadowScore(bundle=other[0], **scores(y, quantiles(horizon, other[1])))
        told = scores(y, quantiles(horizon, own[1]))
        return Outcome(status="resolved", realised=y, shadow=shadow, **heading, **told)


def at(bar: int) -> datetime:
    return datetime.fromtimestamp(START + bar * BAR_SECONDS, UTC)


def quantiles(horizon: int, width: float) -> list[float]:
    return [float(v) for v in SIGMA * math.sqrt(horizon) * width * Z]


def scores(y: float, q: Sequence[float]) -> dict[str, Any]:
    row: tuple[list[float], list[list[float]]] = ([y], [list(q)])
    return {
        "hit_90": bool(hits(*row, 0.90)[0]),
        "hit_50": bool(hits(*row, 0.50)[0]),
        "pinball": float(pinball(*row).mean()),
        "pit": float(pit(*row)[0]),
        "winkler_90": float(winkler(*row, 0.90)[0]),
        "winkler_50": float(winkler(*row, 0.50)[0]),
    }
