"""A dry prediction: bands from the bundle's own states, before anything serves them."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.model.bundle import Bundle
from contracts.model.grid import BAR_SECONDS, iso
from ops.deployment.finding import Finding
from ops.deployment.recompute import predict_now
from worker.step import State

LATENCY_MAX_MS = 1_000.0
"""The quality gates' own: a prediction takes less than a second."""
REPEATS = 200


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of one symbol's prediction of all horizons, and how many a second that makes."""

    mean_ms: float
    p95_ms: float
    per_second: float
    n: int


def prediction_findings(bundle: Bundle) -> Iterator[Finding]:
    """Whether every symbol's bands are finite and nested, and how long they take."""
    silent, wrong = [], []
    for symbol in bundle.symbols:
        found = predict_now(State(), bundle, symbol)
        if found is None:
            silent.append(symbol)
        elif bad := [f"{symbol} T{h}" for h, one in found.items() if not proper(one.quantiles)]:
            wrong += bad
    if wrong:
        told = f"not finite or not nested: {', '.join(wrong[:6])}"
        yield Finding("dry prediction", "fail", told, "train the bundle again")
        return
    if len(silent) == len(bundle.symbols):
        yield Finding("dry prediction", "fail", "no symbol has a state to predict from", "train on more bars")
        return
    timed = measure(bundle)
    told = (
        f"{len(bundle.symbols) - len(silent)} symbols finite and nested, mean {timed.mean_ms:.2f} ms, p95 "
        f"{timed.p95_ms:.2f} ms for all horizons"
    )
    if timed.p95_ms > LATENCY_MAX_MS:
        yield Finding("dry prediction", "fail", told, "fewer trees, or a faster machine")
    elif silent:
        yield Finding("dry prediction", "warn", f"{told}; {', '.join(silent)} still warm up")
    else:
        yield Finding("dry prediction", "pass", told)


def age_of_states(bundle: Bundle, now: float) -> Finding:
    """How many bars passed since training: what the server lacks of them, symbols warm up again for."""
    ends = max(data.last_open_time.timestamp() for data in bundle.manifest.training.values())
    bars = max(0, int((now - ends) // BAR_SECONDS) - 1)
    told = f"training ended {iso(int(ends))}, {bars} bars ago"
    allowed = bundle.manifest.max_gap_bars
    if bars <= allowed:
        return Finding("states", "pass", told)
    return Finding(
        "states",
        "warn",
        f"{told}; gaps of up to {allowed} are bridged",
        "no matter where the server has folded the bars since; else let the feed back-fill them",
    )


def measure(bundle: Bundle, repeats: int = REPEATS) -> Timed:
    """Time predictions of the first symbol that can be predicted.

    Raises:
        ValueError: no symbol can.
    """
    symbol = next((s for s in bundle.symbols if predict_now(State(), bundle, s) is not None), None)
    if symbol is None:
        raise ValueError(f"expected a state to predict from in {bundle.label}, found none")
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        predict_now(State(), bundle, symbol)
        taken.append(1_000 * (time.perf_counter() - began))
    taken.sort()
    mean = sum(taken) / len(taken)
    return Timed(mean, taken[math.ceil(0.95 * len(taken)) - 1], 1_000 / mean, len(taken))


def proper(quantiles: Sequence[float]) -> bool:
    """Finite and in order.

    >>> proper((-2.0, -1.0, 0.0, 1.0, 2.0)), proper((0.0, -1.0)), proper((0.0, float("inf")))
    (True, False, False)
    """
    return all(map(math.isfinite, quantiles)) and all(a <= b for a, b in itertools.pairwise(quantiles))
