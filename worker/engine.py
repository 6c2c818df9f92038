"""The pure heart of the worker: state × bar → step.

No clock, no I/O, no randomness: the bar's own close time is the time. Replaying the same bars against
the same bundle gives byte-identical events; live, replay and simulation share this one function.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypedDict

from contracts.events import (
    Band,
    Bar,
    Calibration,
    DeadLetter,
    DeadReason,
    NoBandReason,
    Origin,
    Quantiles,
)
from contracts.model.bundle import Bundle
from contracts.model.context import KEPT_ROWS, LeaderTrack
from contracts.model.features import FeatureRow
from contracts.model.grid import BAR_SECONDS, HORIZONS, close_time
from contracts.model.intake import DEFAULT_MAX_GAP_BARS, Offer, SymbolFold, Verdict
from contracts.model.predictor import Prediction
from contracts.topics import Topics, partition_of
from worker.arrival import Arrival, Refusal


@dataclass(frozen=True, slots=True)
class State:
    """Folded state of one partition: every symbol's fold, and the leader's recent rows."""

    symbols: Mapping[str, SymbolFold] = field(default_factory=lambda: MappingProxyType({}))
    leader: LeaderTrack = field(default_factory=LeaderTrack.empty)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry to append: the stream's full name and the JSON payload."""

    stream: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """What one arrival, or a run of them, changes and says.

    `touched` names the symbols whose fold is new; `latest` maps (symbol, horizon) to its newest record.
    """

    state: State
    events: tuple[Event, ...] = ()
    latest: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    leader_touched: bool = False
    failures: tuple[str, ...] = ()
    """What went wrong inside the engine, entry by entry: bugs, dead-lettered so that they block nothing."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The step function with what it is parametrised by: the bundle in force and the partition's names."""

    bundle: Bundle | None
    topics: Topics = field(default_factory=Topics)

    def run(self, state: State, arrivals: Iterable[Arrival]) -> Step:
        """Step through consecutive arrivals; the result is what one commit writes."""
        events: list[Event] = []
        latest: dict[tuple[str, int], bytes] = {}
        touched: set[str] = set()
        failures: list[str] = []
        leader_touched = False
        for arrival in arrivals:
            step = self._step_or_bury(state, arrival)
            state = step.state
            failures += step.failures
            events += step.events
            latest.update(step.latest)
            touched |= step.touched
            leader_touched |= step.leader_touched
        return Step(state, tuple(events), latest, frozenset(touched), leader_touched, tuple(failures))

    def _step_or_bury(self, state: State, arrival: Arrival) -> Step:
        try:
            return self.step(state, arrival)
        except Exception as error:  # noqa: BLE001 - one bar may fail; the stream behind it must not wait
            told = f"{type(error).__name__}: {error}"
            letter = self._dead("failed", f"the engine failed on this bar: {told}", arrival)
            return Step(state, (letter,), failures=(f"{arrival.entry}: {told}",))

    def step(self, state: State, arrival: Arrival) -> Step:
        """Fold one arrival and say what follows from it."""
        match arrival.content:
            case Refusal(reason, detail):
                return Step(state, (self._dead(reason, detail, arrival),))
            case Bar(role="context") as bar:
                return self._fold_context(state, arrival, bar)
            case bar:
                return self._fold(state, arrival, bar)

    def _fold_context(self, state: State, arrival: Arrival, bar: Bar) -> Step:
        """Fold a leader's copy in silence: its own partition answers for it."""
        home = partition_of(bar.symbol, self.topics.partitions)
        if bar.symbol != self._leader or home == self.topics.partition:
            detail = (
                f"expected context copies of the leader {self._leader} outside its own partition, found "
                f"{bar.symbol} of partition {home}; send it here without a role, or not at all"
            )
            return Step(state, (self._dead("wrong_partition", detail, arrival),))
        offer = self._offer(state, bar)
        return self._refused(state, offer, arrival) or self._folded(state, bar, offer)

    def _fold(self, state: State, arrival: Arrival, bar: Bar) -> Step:
        topics = self.topics
        if partition_of(bar.symbol, topics.partitions) != topics.partition:
            detail = (
                f"expected symbols of partition {topics.partition} of {topics.partitions}, found "
                f"{bar.symbol} of partition {partition_of(bar.symbol, topics.partitions)}"
            )
            return Step(state, (self._dead("wrong_partition", detail, arrival),))
        if self.bundle is not None and bar.symbol not in self.bundle.symbols:
            known = ", ".join(self.bundle.symbols)
            return self._no_band(Step(state), bar, "unknown_symbol", f"the bundle serves {known}")
        if self.bundle is None and bar.symbol not in state.symbols:
            return self._no_band(Step(state), bar, "no_bundle", "no bundle is loaded")
        offer = self._offer(state, bar)
        return self._refused(state, offer, arrival) or self._answer(state, bar, offer)

    def _refused(self, state: State, offer: Offer, arrival: Arrival) -> Step | None:
        match offer.verdict:
            case Verdict.DUPLICATE:
                return Step(state)
            case Verdict.CONFLICT:
                return Step(state, (self._dead("conflict", offer.detail, arrival),))
            case Verdict.LATE:
                return Step(state, (self._dead("late", offer.detail, arrival),))
        return None

    def _offer(self, state: State, bar: Bar) -> Offer:
        """Fold the bar into the kept state, or into the bundle's where that one is the better start."""
        fold = self._start(state, bar)
        return fold.offer(bar.candle, self._max_gap_bars)

    def _start(self, state: State, bar: Bar) -> SymbolFold:
        """The fold that connects to the bar, rather a warm one, rather the one with fewer bars missing."""
        kept = state.symbols.get(bar.symbol)
        trained = self.bundle.states.get(bar.symbol) if self.bundle else None
        if kept is None or trained is None:
            return kept or trained or SymbolFold()
        opened = bar.candle.open_time
        if kept.missing_before(opened) < 0:
            return kept

        def merit(fold: SymbolFold) -> tuple[bool, bool, int]:
            missing = fold.missing_before(opened)
            return 0 <= missing <= self._max_gap_bars, fold.features.is_warm, -missing

        return max((kept, trained), key=merit)

    def _folded(self, state: State, bar: Bar, offer: Offer) -> Step:
        symbols = MappingProxyType({**state.symbols, bar.symbol: offer.fold})
        folded = replace(state, symbols=symbols)
        if bar.symbol == self._leader and offer.row is not None:
            track = self._track(state).record(bar.candle.open_time, offer.row, bridged=offer.fold.is_degraded)
            return Step(replace(folded, leader=track), touched=frozenset({bar.symbol}), leader_touched=True)
        return Step(folded, touched=frozenset({bar.symbol}))

    def _answer(self, state: State, bar: Bar, offer: Offer) -> Step:
        step = self._folded(state, bar, offer)
        if self.bundle is None:
            return self._no_band(step, bar, "no_bundle", "no bundle is loaded")
        if bar.origin == "backfill":
            return self._no_band(step, bar, "backfill", "back-filled bars are folded, never answered")
        if offer.row is None:
            left = f"{offer.fold.warm_up_left} more bars are needed before the first band"
            if offer.restarted:
                detail = f"more than {self._max_gap_bars} bars are missing before this one; {left}"
                return self._no_band(step, bar, "gap", detail)
            return self._no_band(step, bar, "warming_up", left)
        return self._predict(state, step, bar, offer, offer.row)

    def _predict(self, state: State, step: Step, bar: Bar, offer: Offer, row: FeatureRow) -> Step:
        bundle = self.bundle
        assert bundle is not None
        degraded = ["bridged_bars"] if offer.fold.is_degraded else []
        if offer.fold.holds_extreme_bar:
            degraded.append("extreme_bar")
        context = None
        if bundle.spec.leader is not None:
            context = self._track(state).before(bar.candle.open_time)
            if context is None:
                return self._no_band(
                    step,
                    bar,
                    "no_context",
                    f"no bar of the leader {bundle.spec.leader} within the last {KEPT_ROWS} is known",
                )
            if context.is_stale:
                degraded.append("leader_missing")
        predictions = bundle.predict(bar.symbol, row, context)
        records = {
            horizon: self._record(bar, horizon, reason="uncalibrated", detail=problem)
            if (problem := _not_finite(prediction, bar.close))
            else self._band(bar, bundle.label, prediction, tuple(degraded))
            for horizon, prediction in predictions.items()
        }
        return self._say(step, bar, records)

    def _band(self, bar: Bar, label: str, prediction: Prediction, degraded: tuple[str, ...]) -> Band:
        returns, prices = prediction.returns, prediction.prices(bar.close)
        q_hat = prediction.q_hat
        return Band(
            status="band",
            **_heading(bar, prediction.horizon_bars),
            bundle=label,
            returns=Quantiles(**returns),
            prices=Quantiles(**prices),
            sigma=prediction.sigma,
            calibration=Calibration(method=prediction.method, q_hat_90=q_hat[0.90], q_hat_50=q_hat[0.50]),
            degraded=degraded or None,
        )

    def _record(self, bar: Bar, horizon: int, reason: NoBandReason, detail: str) -> Band:
        label = self.bundle.label if self.bundle else None
        return Band(status="no_band", **_heading(bar, horizon), bundle=label, reason=reason, detail=detail)

    def _no_band(self, step: Step, bar: Bar, reason: NoBandReason, detail: str) -> Step:
        return self._say(step, bar, {h: self._record(bar, h, reason, detail) for h in HORIZONS})

    def _say(self, step: Step, bar: Bar, records: Mapping[int, Band]) -> Step:
        payloads = {horizon: record.to_wire() for horizon, record in records.items()}
        events = tuple(Event(self.topics.bands(horizon), payload) for horizon, payload in payloads.items())
        known = bar.symbol in step.state.symbols
        latest = {(bar.symbol, horizon): payload for horizon, payload in payloads.items()} if known else {}
        return replace(step, events=events, latest=latest)

    def _dead(self, reason: DeadReason, detail: str, arrival: Arrival) -> Event:
        letter = DeadLetter.of(reason, detail, arrival.entry, arrival.fields)
        return Event(self.topics.dead, letter.to_wire())

    @property
    def _leader(self) -> str | None:
        return self.bundle.spec.leader if self.bundle else None

    @property
    def _max_gap_bars(self) -> int:
        return self.bundle.manifest.max_gap_bars if self.bundle else DEFAULT_MAX_GAP_BARS

    def _track(self, state: State) -> LeaderTrack:
        """The leader's rows: the kept ones, or the bundle's where those reach further."""
        if self.bundle is None:
            return state.leader
        return max(state.leader, self.bundle.leader, key=lambda track: track.last_open_time)


UNCALIBRATED = "the calibrator had too few scores for a finite band at this level"
OUT_OF_RANGE = "the bar's prices are so extreme that a price of the band exceeds every number"


def _not_finite(prediction: Prediction, ref_price: float) -> str | None:
    """Why the prediction can not be told as a band, or None when it can."""
    if not prediction.is_finite:
        return UNCALIBRATED
    try:
        finite = all(map(math.isfinite, prediction.prices(ref_price).values()))
    except OverflowError:
        finite = False
    return None if finite else OUT_OF_RANGE


class _Heading(TypedDict):
    symbol: str
    horizon_bars: int
    open_time: datetime
    issued_at: datetime
    target_time: datetime
    ref_price: float
    origin: Origin


def _heading(bar: Bar, horizon: int) -> _Heading:
    issued = close_time(bar.candle.open_time)
    return {
        "symbol": bar.symbol,
        "horizon_bars": horizon,
        "open_time": bar.open_time,
        "issued_at": datetime.fromtimestamp(issued, UTC),
        "target_time": datetime.fromtimestamp(issued + horizon * BAR_SECONDS, UTC),
        "ref_price": bar.close,
        "origin": bar.origin,
    }
