"""The frozen slow oracle of the 33 features: each formula of the specification, written out plainly.

It sees the whole history at once and shares no line with the fold.
"""

from __future__ import annotations

import itertools
import math
import statistics

from contracts.model.candle import Candle

HALF_LIVES = {42: 0.15, 240: 0.25, 1_500: 0.60}


def mean_variance(candles: list[Candle], half_life: int) -> float:
    ranges = [math.log(c.high / c.low) ** 2 / (4 * math.log(2)) for c in candles]
    weights = [0.5 ** ((len(ranges) - 1 - i) / half_life) for i in range(len(ranges))]
    mean = sum(w * x for w, x in zip(weights, ranges, strict=True)) / sum(weights)
    return max(mean, 1e-12)


def sigma(candles: list[Candle]) -> float:
    return math.prod(mean_variance(candles, h) ** (weight / 2) for h, weight in HALF_LIVES.items())


def volatility_ratio(candles: list[Candle]) -> float:
    return math.sqrt(mean_variance(candles, min(HALF_LIVES)) / mean_variance(candles, max(HALF_LIVES)))


def features(candles: list[Candle]) -> dict[str, float]:
    s = sigma(candles)
    close = [c.close for c in candles]
    r = [math.log(b / a) for a, b in itertools.pairwise(close)]
    recent = candles[-360:]
    tail = r[-360:]
    assert len(tail) == 360
    out: dict[str, float] = {}

    def log_ratio(variance: float) -> float:
        return 0.5 * math.log(variance / s**2 + 1e-8)

    for k in (1, 6, 18, 42, 84, 180):
        out[f"ret_{k}"] = math.log(close[-1] / close[-1 - k]) / (s * math.sqrt(k))
    for k in (6, 18, 42, 84, 180, 360):
        out[f"rv_{k}"] = log_ratio(statistics.fmean(x * x for x in tail[-k:]))
    for k in (6, 42, 180):
        out[f"parkinson_{k}"] = log_ratio(
            statistics.fmean(math.log(c.high / c.low) ** 2 / (4 * math.log(2)) for c in recent[-k:])
        )
    out["garman_klass_42"] = log_ratio(
        statistics.fmean(
            0.5 * math.log(c.high / c.low) ** 2 - (2 * math.log(2) - 1) * math.log(c.close / c.open) ** 2
            for c in recent[-42:]
        )
    )
    out["rogers_satchell_42"] = log_ratio(
        statistics.fmean(
            math.log(c.high / c.close) * math.log(c.high / c.open)
            + math.log(c.low / c.close) * math.log(c.low / c.open)
            for c in recent[-42:]
        )
    )
    for k in (42, 180):
        window = tail[-k:]
        out[f"downside_{k}"] = sum(min(x, 0) ** 2 for x in window) / sum(x * x for x in window)
    cross = [b * a for a, b in zip(r[-43:], r[-42:], strict=False)]
    energy = sum(x * x for x in tail[-42:])
    out["bipower_42"] = min(4.0, math.pi / 2 * sum(abs(x) for x in cross) / energy)
    for k in (42, 180):
        window = tail[-k:]
        mean = statistics.fmean(window)
        m2, m3, m4 = (statistics.fmean((x - mean) ** p for x in window) for p in (2, 3, 4))
        out[f"skew_{k}"] = m3 / m2**1.5
        out[f"kurt_{k}"] = m4 / m2**2 - 3
    for k in (42, 180):
        out[f"to_high_{k}"] = math.log(max(c.high for c in recent[-k:]) / close[-1]) / (s * math.sqrt(k))
        out[f"to_low_{k}"] = math.log(close[-1] / min(c.low for c in recent[-k:])) / (s * math.sqrt(k))
    volume = [c.volume for c in recent]
    out["volume_z_42"] = (volume[-1] - statistics.fmean(volume[-42:])) / statistics.pstdev(volume[-42:])
    out["volume_6_180"] = math.log(statistics.fmean(volume[-6:]) / statistics.fmean(volume[-180:]) + 1e-6)

    def illiquidity(k: int) -> float:
        pairs = [(abs(x), c) for x, c in zip(tail[-k:], recent[-k:], strict=True) if c.volume > 0]
        return statistics.fmean(x / (c.close * c.volume) for x, c in pairs)

    out["amihud_42"] = math.log(illiquidity(42) / illiquidity(360))
    log_vol = [
        0.5 * math.log(statistics.fmean(x * x for x in r[end - 6 : end]) + 1e-10)
        for end in range(len(r) - 179, len(r) + 1)
    ]
    out["vol_of_vol_180"] = statistics.pstdev(log_vol)
    out["autocorr_42"] = sum(cross) / energy
    return out
