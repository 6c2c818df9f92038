"""A band whose target bar has closed, judged."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.events.bar import Origin
from contracts.events.base import Event, Symbol, UtcTime

SCORES = ("realised", "hit_90", "hit_50", "pinball", "pit", "winkler_90", "winkler_50")


class ShadowScore(BaseModel):
    """What the other bundle's band for the same bar and horizon, on `shadow.T*`, would have scored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    bundle: str
    hit_90: bool
    hit_50: bool
    pinball: float = Field(ge=0)
    pit: float = Field(ge=0, le=1)
    winkler_90: float = Field(ge=0)
    winkler_50: float = Field(ge=0)


class Outcome(Event):
    """What became of one band, on `outcomes.T42` … `outcomes.T60`.

    `realised` is log(target close / reference price); `hit_90` and `hit_50` say whether it fell inside
    the intervals; `pinball` is the mean pinball loss of the five levels and `winkler_90`, `winkler_50` the
    interval scores, in log-return units; `pit` is the rank of the realised return in the band, in [0, 1].
    `shadow` is the score of the band that the other bundle put on `shadow.T*` for the same bar. An outcome
    whose target bar is missing or bridged is `unresolved`, says so in `reason` and carries no score.
    """

    schema_: Literal["outcome/1"] = Field(default="outcome/1", alias="schema")
    status: Literal["resolved", "unresolved"]
    symbol: Symbol
    horizon_bars: int = Field(gt=0)
    issued_at: UtcTime
    target_time: UtcTime
    bundle: str
    origin: Origin
    realised: float | None = None
    hit_90: bool | None = None
    hit_50: bool | None = None
    pinball: float | None = Field(default=None, ge=0)
    pit: float | None = Field(default=None, ge=0, le=1)
    winkler_90: float | None = Field(default=None, ge=0)
    winkler_50: float | None = Field(default=None, ge=0)
    shadow: ShadowScore | None = None
    reason: Literal["missing", "bridged"] | None = None

    @model_validator(mode="after")
    def _resolved_is_complete(self) -> Self:
        given = sum(getattr(self, name) is not None for name in SCORES)
        if given != (len(SCORES) if self.status == "resolved" else 0):
            raise ValueError(
                f"expected all of {', '.join(SCORES)} of a resolved outcome and none otherwise, found {given}"
            )
        if (self.reason is None) != (self.status == "resolved"):
            raise ValueError(f"expected a reason of an unresolved outcome alone, found {self.reason!r}")
        return self
