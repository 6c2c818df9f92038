"""The watch over one symbol and bundle: every detector's state, as one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from contracts.model.drift import (
    Channel,
    DetectorSpec,
    DriftReference,
    DriftSpec,
    loss_input,
    miss_input,
    spread_input,
    width_input,
)
from contracts.model.drift.reference import adjusted, distance
from contracts.model.grid import BAR_SECONDS
from worker.drift import evidence
from worker.drift.finding import Finding
from worker.drift.page_hinkley import PageHinkleyState, advance
from worker.drift.seen import BarSeen, LabelSeen
from worker.drift.weeks import Weeks

SCHEMA = "watch/1"


class WatchError(ValueError):
    """State that is not that of a watch with this spec and reference."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What has been seen so far. `on_bar` and `on_label` give the next watch and what was found.

    Pure and immutable: no clock, no randomness. Restored from JSON it goes on bit for bit.

    >>> from contracts.model.drift import DriftSpec
    >>> watch = Watch.start(DriftSpec(calibrated=False, note="", budget_per_year=1, detectors=()), None)
    >>> watch, found = watch.on_bar(BarSeen(1_704_067_200))
    >>> found
    ()
    """

    spec: DriftSpec
    reference: DriftReference | None
    states: Mapping[str, PageHinkleyState]
    quiet_until: Mapping[Channel, int] = field(default_factory=lambda: MappingProxyType({}))
    weeks: Weeks | None = None
    refused: int = 0
    """Inputs that were no number and reached no detector."""
    _detectors: Mapping[tuple[str, int | None], DetectorSpec] = field(default_factory=dict, repr=False)

    @classmethod
    def start(cls, spec: DriftSpec, reference: DriftReference | None) -> Self:
        """A watch that has seen training's averages and nothing else.

        Features are watched when the spec says how and `reference` has a null to compare with.
        """
        watched = spec.features is not None and reference is not None and reference.null is not None
        return cls(
            spec,
            reference if watched else None,
            {one.name: PageHinkleyState.start(one) for one in spec.detectors},
            weeks=Weeks.empty(len(reference.names)) if watched and reference is not None else None,
            _detectors={(one.channel, one.horizon_bars): one for one in spec.detectors},
        )

    def on_bar(self, seen: BarSeen) -> tuple[Self, tuple[Finding, ...]]:
        """Tell it of a bar: the width channel, and the features.

        Raises:
            ValueError: the row has another number of features than the reference.
        """
        watch, found = self, list[Finding]()
        width = self._detectors.get(("width", None))
        if width and None not in (seen.log_return, seen.log_range, seen.implied_scale):
            x = width_input(seen.log_return, seen.log_range, seen.implied_scale)  # type: ignore[arg-type]
            watch, found = watch._tell([(width, x)], seen.close_time)
        if watch.weeks is not None and seen.features is not None:
            watch, more = watch._tell_features(seen)
            found += more
        return watch, tuple(found)

    def on_label(self, seen: LabelSeen) -> tuple[Self, tuple[Finding, ...]]:
        """Tell it of a band whose label has closed: coverage, loss and PIT of its horizon."""
        inputs = (
            ("coverage", miss_input(seen.hit_90)),
            ("loss", loss_input(seen.pinball, seen.sigma, seen.horizon_bars)),
            ("pit", spread_input(seen.pit)),
        )
        told = [
            (spec, x)
            for channel, x in inputs
            if (spec := self._detectors.get((channel, seen.horizon_bars))) is not None
        ]
        watch, found = self._tell(told, seen.closed_at)
        return watch, tuple(found)

    def _tell(self, told: list[tuple[DetectorSpec, float | None]], at: int) -> tuple[Self, list[Finding]]:
        states, quiet, found, refused = dict(self.states), self.quiet_until, [], self.refused
        for spec, x in told:
            if x is None:
                refused += 1
                continue
            state = states[spec.name] = advance(spec, states[spec.name], x)
            if state.drifted and at >= quiet.get(spec.channel, at):
                quiet = self._quiet_after(quiet, spec.channel, at)
                statistic = {"up": state.increase, "down": state.decrease}.get(
                    spec.mode, max(state.increase, state.decrease)
                )
                why = evidence.of_detector(spec, state, at)
                found.append(
                    Finding(
                        spec.channel, spec.horizon_bars, "PageHinkley", at, statistic, spec.threshold, why
                    )
                )
        return replace(self, states=states, quiet_until=quiet, refused=refused), found

    def _tell_features(self, seen: BarSeen) -> tuple[Self, list[Finding]]:
        spec, reference, weeks, row = self.spec.features, self.reference, self.weeks, seen.features
        assert spec is not None
        assert reference is not None
        assert weeks is not None
        assert row is not None
        if row.shape != (len(reference.names),):
            raise ValueError(
                f"expected a row of the {len(reference.names)} features of the reference, found shape "
                f"{row.shape}; give the models' whole input"
            )
        if not np.isfinite(row).all():
            return replace(self, refused=self.refused + 1), []
        weeks = weeks.add(spec, reference, row)
        watch = replace(self, weeks=weeks)
        if weeks.rows or len(weeks.full) < spec.weeks:
            return watch, []
        window = weeks.window
        values = adjusted(reference.p_values(distance(window)))
        least, at = float(values.min()), seen.close_time
        if least > spec.level or at < self.quiet_until.get("features", at):
            return watch, []
        why = evidence.of_features(reference.names, window, values, spec.level)
        finding = Finding("features", None, "binned KS, Benjamini-Hochberg", at, least, spec.level, why)
        return replace(watch, quiet_until=self._quiet_after(self.quiet_until, "features", at)), [finding]

    def _quiet_after(self, quiet: Mapping[Channel, int], channel: Channel, at: int) -> Mapping[Channel, int]:
        return {**quiet, channel: at + self.spec.quiet_bars * BAR_SECONDS}

    def to_json(self) -> dict[str, Any]:
        """All state as JSON types, about 3 KB; the spec and the reference stay in the bundle."""
        return {
            "schema": SCHEMA,
            "detectors": {name: state.to_json() for name, state in self.states.items()},
            "quiet_until": dict(self.quiet_until),
            "weeks": self.weeks.to_json() if self.weeks else None,
            "refused": self.refused,
        }

    @classmethod
    def from_json(cls, spec: DriftSpec, reference: DriftReference | None, told: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, beside the spec and reference it was made with.

        Raises:
            WatchError: anything else.
        """
        fresh = cls.start(spec, reference)
        try:
            if told["schema"] != SCHEMA or set(told["detectors"]) != set(fresh.states):
                raise WatchError(
                    f"expected {SCHEMA} with the detectors {sorted(fresh.states)}, found {told['schema']} "
                    f"with {sorted(told['detectors'])}; start a new watch for this bundle"
                )
            weeks = None
            if fresh.weeks is not None and fresh.reference is not None and spec.features is not None:
                weeks = Weeks.from_json(told["weeks"], len(fresh.reference.names), spec.features)
            return replace(
                fresh,
                states={name: PageHinkleyState.from_json(told["detectors"][name]) for name in fresh.states},
                quiet_until={channel: int(until) for channel, until in told["quiet_until"].items()},
                weeks=weeks,
                refused=int(told["refused"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, WatchError):
                raise
            raise WatchError(
                f"expected the state of a watch, found {type(error).__name__}: {error}; start a new one"
            ) from error
