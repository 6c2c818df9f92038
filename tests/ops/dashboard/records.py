"""Messages as a worker would send them, in any number, without a worker."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from contracts.events import Band, Bar, DriftAlert, Outcome, ShadowScore
from contracts.model.grid import BAR_SECONDS, LEVEL_NAMES
from contracts.model.scores import hits, pinball, pit, winkler

START = 1_700_006_400
Z = (-1.6449, -0.6745, 0.0, 0.6745, 1.6449)
SIGMA = 0.01
CHAMPION, CHALLENGER = "1.0.0+aaaaaaaaaaaa", "1.1.0+bbbbbbbbbbbb"


def utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def walk(count: int, seed: int = 1) -> np.ndarray:
    """Closing prices of a random walk with one-bar volatility `SIGMA`."""
    return 100 * np.exp(np.cumsum(SIGMA * np.random.default_rng(seed).standard_normal(count)))


def bars(symbol: str, closes: np.ndarray, start: int = START) -> list[Bar]:
    found = []
    before = closes[0]
    for n, close in enumerate(closes.tolist()):
        low, high = min(before, close) * 0.998, max(before, close) * 1.002
        at = utc(start + n * BAR_SECONDS)
        found.append(Bar(symbol=symbol, open_time=at, open=before, high=high, low=low, close=close, volume=1))
        before = close
    return found


def band(symbol: str, horizon: int, close_at: int, ref: float, *, scale: float = 1.0, **more: object) -> Band:
    """A calibrated band of the random walk; `scale` makes it wider or narrower."""
    unit = scale * SIGMA * math.sqrt(horizon)
    returns = {name: z * unit for name, z in zip(LEVEL_NAMES, Z, strict=True)}
    told = {
        "status": "band",
        "symbol": symbol,
        "horizon_bars": horizon,
        "open_time": utc(close_at - BAR_SECONDS),
        "issued_at": utc(close_at),
        "target_time": utc(close_at + horizon * BAR_SECONDS),
        "ref_price": ref,
        "origin": "live",
        "bundle": CHAMPION,
        "returns": returns,
        "prices": {name: ref * math.exp(value) for name, value in returns.items()},
        "sigma": SIGMA,
        "calibration": {"method": "adaptive_cqr", "q_hat_90": 0.1, "q_hat_50": -0.02},
    }
    return Band.model_validate({**told, **more})


def no_band(symbol: str, horizon: int, close_at: int, ref: float, reason: str = "warming_up") -> Band:
    absent = dict.fromkeys(("bundle", "returns", "prices", "sigma", "calibration"))
    return band(symbol, horizon, close_at, ref, status="no_band", reason=reason, **absent)


def bands(symbol: str, closes: np.ndarray, horizon: int, start: int = START) -> Iterator[Band]:
    for n, ref in enumerate(closes.tolist()):
        yield band(symbol, horizon, start + (n + 1) * BAR_SECONDS, ref)


def outcomes(
    symbol: str, closes: np.ndarray, horizon: int, *, scale: float = 1.0, shadow: float | None = None
) -> Iterator[Outcome]:
    """What became of `bands`, and with `shadow` of a challenger's that are so much wider."""
    for n in range(len(closes) - horizon):
        y = np.array([math.log(closes[n + horizon] / closes[n])])
        issued = START + (n + 1) * BAR_SECONDS
        rival = ShadowScore(bundle=CHALLENGER, **_scores(y, horizon, shadow)) if shadow else None
        yield Outcome(
            status="resolved",
            symbol=symbol,
            horizon_bars=horizon,
            issued_at=utc(issued),
            target_time=utc(issued + horizon * BAR_SECONDS),
            bundle=CHAMPION,
            origin="live",
            realised=float(y[0]),
            shadow=rival,
            **_scores(y, horizon, scale),
        )


def _scores(y: np.ndarray, horizon: int, scale: float) -> dict[str, object]:
    q = np.array([[z * scale * SIGMA * math.sqrt(horizon) for z in Z]])
    return {
        "hit_90": bool(hits(y, q, 0.90)[0]),
        "hit_50": bool(hits(y, q, 0.50)[0]),
        "pinball": float(pinball(y, q).mean()),
        "pit": float(pit(y, q)[0]),
        "winkler_90": float(winkler(y, q, 0.90)[0]),
        "winkler_50": float(winkler(y, q, 0.50)[0]),
    }


def alert(
    symbol: str = "AAA", evidence: str = "bars moved 2 times as far as the bands implied"
) -> DriftAlert:
    return DriftAlert(
        symbol=symbol,
        at=utc(START) + timedelta(days=3),
        detector="page_hinkley",
        channel="width",
        severity="alarm",
        statistic=41.5,
        threshold=40,
        evidence=evidence,
        bundle=CHAMPION,
    )
