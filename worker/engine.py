"""The pure heart of the worker: state × bar → step.

No clock, no I/O, no randomness: the bar's own close time is the time. Replaying the same bars against
the same lineups gives byte-identical events; live, replay and simulation share this one function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from contracts.events import Band, Bar, DeadLetter, DeadReason, NoBandReason
from contracts.model.bundle import Bundle
from contracts.model.context import KEPT_ROWS
from contracts.model.features import FeatureRow
from contracts.model.grid import BAR_SECONDS, HORIZONS, close_time
from contracts.model.intake import Offer, Verdict
from contracts.topics import Topics, partition_of
from worker.arrival import Arrival, Refusal
from worker.book import Book
from worker.judge import Closed, judge
from worker.leading import context_of, leaders_of, remembered
from worker.lineup import Lineup
from worker.records import band, no_band
from worker.shelf import filed
from worker.starts import max_gap_bars, starting_fold
from worker.step import Event, State, Step
from worker.watching import COOLDOWN_BARS, inputs_of, retrain_request, watched


@dataclass(frozen=True, slots=True)
class Engine:
    """The step function with what it is parametrised by: the lineup in force and the partition's names."""

    lineup: Lineup = field(default_factory=Lineup)
    topics: Topics = field(default_factory=Topics)

    def run(self, state: State, arrivals: Iterable[Arrival]) -> Step:
        """Step through consecutive arrivals; the result is what one commit writes."""
        total = Step(state)
        for arrival in arrivals:
            total = _then(total, self._step_or_bury(total.state, arrival))
        return total

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
        if bar.symbol not in leaders_of(self.lineup) or home == self.topics.partition:
            told = ", ".join(sorted(leaders_of(self.lineup))) or None
            detail = (
                f"expected context copies of the leader {told} outside its own partition, found "
                f"{bar.symbol} of partition {home}; send it here without a role, or not at all"
            )
            return Step(state, (self._dead("wrong_partition", detail, arrival),))
        offer = self._offer(state, bar)
        return self._refused(state, offer, arrival) or self._settled(state, bar, offer)[0]

    def _fold(self, state: State, arrival: Arrival, bar: Bar) -> Step:
        topics, champion = self.topics, self.lineup.champion
        if partition_of(bar.symbol, topics.partitions) != topics.partition:
            detail = (
                f"expected symbols of partition {topics.partition} of {topics.partitions}, found "
                f"{bar.symbol} of partition {partition_of(bar.symbol, topics.partitions)}"
            )
            return Step(state, (self._dead("wrong_partition", detail, arrival),))
        served = any(bar.symbol in one.symbols for one in self.lineup.bundles)
        if champion is not None and not served and not state.books_of(bar.symbol):
            return self._unserved(Step(state), bar, champion)
        if champion is None and bar.symbol not in state.symbols:
            return self._no_bands(Step(state), bar, None, "no_bundle", "no bundle is loaded")
        offer = self._offer(state, bar)
        return self._refused(state, offer, arrival) or self._answered(state, bar, offer)

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
        """Fold the bar into the kept state, or into a bundle's where that one is the better start."""
        start = starting_fold(state, self.lineup, bar.symbol, bar.candle.open_time)
        return start.offer(bar.candle, max_gap_bars(self.lineup))

    def _settled(self, state: State, bar: Bar, offer: Offer) -> tuple[Step, tuple[Closed, ...]]:
        """Fold the bar, settle what it closes, and remember it where it is a leader's."""
        judged = judge(
            state.books_of(bar.symbol),
            bar.symbol,
            close_time(bar.candle.open_time),
            bar.close,
            bridged=not offer.restarted,
        )
        state = replace(state, symbols=MappingProxyType({**state.symbols, bar.symbol: offer.fold}))
        events = tuple(
            Event(self.topics.outcomes(one.horizon_bars), one.to_wire()) for one in judged.outcomes
        )
        step = Step(state, events, touched=frozenset({bar.symbol}))
        step = filed(step, self.lineup, judged.books if judged.closed else {}, bar.symbol)
        step = remembered(step, self.lineup, bar.symbol, bar.candle.open_time, offer)
        return step, judged.closed

    def _answered(self, state: State, bar: Bar, offer: Offer) -> Step:
        step, closed = self._settled(state, bar, offer)
        serving = self.lineup.serving(bar.symbol)
        if serving is not None and bar.origin != "backfill":
            step = self._watched(step, bar, offer, serving, closed)
        step = self._answer(step, bar, offer, serving, live=True)
        shadow = self.lineup.shadowing(bar.symbol)
        return step if shadow is None else self._answer(step, bar, offer, shadow, live=False)

    def _watched(
        self, step: Step, bar: Bar, offer: Offer, bundle: Bundle, closed: tuple[Closed, ...]
    ) -> Step:
        """Tell the watch of the bundle that answers; say what it found, and ask for a retraining if due."""
        key = (bundle.sha256, bar.symbol)
        book = step.state.books.get(key)
        if book is None:
            return step
        inputs = inputs_of(offer, bundle, context_of(step.state, self.lineup, bundle, bar.candle.open_time))
        mine = [one for one in closed if one.key == key]
        book, found = watched(book, bundle, bar, offer, mine, inputs)
        step = filed(step, self.lineup, {key: book}, bar.symbol)
        alerts = [one.to_alert(bar.symbol, bundle.label) for one in found]
        events = [Event(self.topics.drift, alert.to_wire()) for alert in alerts]
        now = close_time(bar.candle.open_time)
        request = retrain_request(found, bar.symbol, bundle, now)
        last = step.state.asked.get(bundle.sha256)
        if request is not None and (last is None or now - last >= COOLDOWN_BARS * BAR_SECONDS):
            events.append(Event(self.topics.retrain, request.to_wire()))
            asked = MappingProxyType({**step.state.asked, bundle.sha256: now})
            step = replace(step, state=replace(step.state, asked=asked), asked=True)
        return replace(step, events=(*step.events, *events))

    def _answer(self, step: Step, bar: Bar, offer: Offer, bundle: Bundle | None, *, live: bool) -> Step:
        if bundle is None:
            return self._no_bands(step, bar, None, "no_bundle", "no bundle is loaded")
        if bar.symbol not in bundle.symbols:
            return self._unserved(step, bar, bundle)

        def unable(reason: NoBandReason, detail: str) -> Step:
            return self._no_bands(step, bar, bundle, reason, detail, live=live)

        if bar.origin == "backfill":
            return unable("backfill", "back-filled bars are folded, never answered")
        if offer.row is None:
            left = f"{offer.fold.warm_up_left} more bars are needed before the first band"
            if offer.restarted:
                detail = f"more than {max_gap_bars(self.lineup)} bars are missing before this one; {left}"
                return unable("gap", detail)
            return unable("warming_up", left)
        leader = bundle.spec.leader
        if leader is not None and context_of(step.state, self.lineup, bundle, bar.candle.open_time) is None:
            detail = f"no bar of the leader {leader} within the last {KEPT_ROWS} is known"
            return unable("no_context", detail)
        return self._predict(step, bar, offer, offer.row, bundle, live=live)

    def _predict(
        self, step: Step, bar: Bar, offer: Offer, row: FeatureRow, bundle: Bundle, *, live: bool
    ) -> Step:
        degraded = ["bridged_bars"] if offer.fold.is_degraded else []
        if offer.fold.holds_extreme_bar:
            degraded.append("extreme_bar")
        context = context_of(step.state, self.lineup, bundle, bar.candle.open_time)
        if context is not None and context.is_stale:
            degraded.append("leader_missing")
        key = (bundle.sha256, bar.symbol)
        book = step.state.books.get(key) or Book.start(bundle, bar.symbol)
        predictions = bundle.predict(bar.symbol, row, context, book.calibrators)
        records = {h: band(bar, bundle.label, one, tuple(degraded)) for h, one in predictions.items()}
        book = book.issue(
            {h: one for h, one in predictions.items() if records[h].is_band},
            close_time=row.close_time,
            ref_price=bar.close,
            volatility_ratio=row.volatility_ratio,
            live=live,
            origin=bar.origin,
        )
        return self._say(filed(step, self.lineup, {key: book}, bar.symbol), bar, records, live=live)

    def _unserved(self, step: Step, bar: Bar, bundle: Bundle) -> Step:
        known = ", ".join(bundle.symbols)
        return self._no_bands(step, bar, bundle, "unknown_symbol", f"the bundle serves {known}")

    def _no_bands(
        self,
        step: Step,
        bar: Bar,
        bundle: Bundle | None,
        reason: NoBandReason,
        detail: str,
        *,
        live: bool = True,
    ) -> Step:
        label = bundle.label if bundle is not None else None
        records = {h: no_band(bar, h, label, reason, detail) for h in HORIZONS}
        return self._say(step, bar, records, live=live)

    def _say(self, step: Step, bar: Bar, records: Mapping[int, Band], *, live: bool) -> Step:
        stream = self.topics.bands if live else self.topics.shadow
        payloads = {horizon: record.to_wire() for horizon, record in records.items()}
        events = tuple(Event(stream(horizon), payload) for horizon, payload in payloads.items())
        latest = dict(step.latest)
        if live and bar.symbol in step.state.symbols:
            latest |= {(bar.symbol, horizon): payload for horizon, payload in payloads.items()}
        return replace(step, events=step.events + events, latest=latest)

    def _dead(self, reason: DeadReason, detail: str, arrival: Arrival) -> Event:
        letter = DeadLetter.of(reason, detail, arrival.entry, arrival.fields)
        return Event(self.topics.dead, letter.to_wire())


def _then(before: Step, after: Step) -> Step:
    """Two consecutive steps as one."""
    return Step(
        after.state,
        before.events + after.events,
        {**before.latest, **after.latest},
        before.touched | after.touched,
        before.books | after.books,
        before.leaders | after.leaders,
        before.asked or after.asked,
        before.failures + after.failures,
    )
