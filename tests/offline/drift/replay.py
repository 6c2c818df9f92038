"""A bundle's bands over a history, judged by its own watch: what a worker does, as a plain loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from contracts.model.bundle import Bundle
from contracts.model.candle import History
from contracts.model.drift import implied_scale
from contracts.model.grid import BAR_SECONDS, HORIZONS
from contracts.model.scores import hits, pinball, pit
from offline.calibration.held_out import contexts_of
from offline.dataset import build_dataset
from worker.drift import BarSeen, Finding, LabelSeen, Watch


@dataclass(frozen=True)
class Replayed:
    """What was found, and how many bars were watched."""

    findings: tuple[Finding, ...]
    bars: int
    watch: Watch


def replay(bundle: Bundle, symbol: str, history: History) -> Replayed:
    """Fold, predict, resolve labels as they close and tell the watch; calibrators stay as they shipped.

    `bundle` has no leader and serves `symbol`, whose name `history` need not bear.
    """
    spec, reference = bundle.manifest.drift, bundle.reference
    assert spec is not None
    assert reference is not None
    data = build_dataset([history], bundle.spec)
    corrections = bundle.predictor.corrections(data.rows)
    contexts = contexts_of(data.close_time, data.volatility_ratio)
    scored = {}
    for number, head in enumerate(bundle.predictor.heads):
        unit = data.sigma * math.sqrt(head.horizon_bars)
        raw = head.standardised(corrections[:, number], symbol)
        bands = head.calibrators[symbol].interval(raw, contexts) * unit[:, None]
        y = data.returns[:, number]
        scored[head.horizon_bars] = bands, hits(y, bands), pit(y, bands), pinball(y, bands).mean(axis=1)
    first = bands_of = scored[42][0]
    scales = [implied_scale(q[0], q[-1], 42) for q in bands_of]
    close = history.close[-len(data) :]
    log_return = np.diff(np.log(close), prepend=np.nan)
    log_range = np.log(history.high / history.low)[-len(data) :]
    watch, findings = Watch.start(spec, reference), list[Finding]()
    for bar, at in enumerate(data.close_time.tolist()):
        scale = scales[bar - 1] if bar else None
        watch, found = watch.on_bar(
            BarSeen(at, float(log_return[bar]), float(log_range[bar]), scale, data.rows[bar])
        )
        findings += found
        for horizon in HORIZONS:
            if (issued := bar - horizon) >= 0:
                _, hit, rank, loss = scored[horizon]
                assert at == data.close_time[issued] + horizon * BAR_SECONDS
                seen = LabelSeen(
                    at, horizon, bool(hit[issued]), float(rank[issued]), float(loss[issued]),
                    float(data.sigma[issued]),
                )  # fmt: skip
                watch, found = watch.on_label(seen)
                findings += found
    return Replayed(tuple(findings), len(first), watch)
