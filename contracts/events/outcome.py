"""A band whose target bar has closed, judged."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.events.bar import Origin
from contracts.events.base import Event, Symbol, UtcTime


class Outcome(Event):
    """What became of one band, on `outcomes.T42` … `outcomes.T60`.

    `realised` is log(target close / reference price); `hit_90` and `hit_50` say whether it fell inside
    the intervals; `pinball` is the mean pinball loss of the five levels in log-return units; `pit` is
    the rank of the realised return in the band, in [0, 1]. An outcome whose target bar is missing or
    bridged is `unresolved` and carries none of them.
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

    @model_validator(mode="after")
    def _resolved_is_complete(self) -> Self:
        scores = (self.realised, self.hit_90, self.hit_50, self.pinball, self.pit)
        given = sum(score is not None for score in scores)
        if given != (len(scores) if self.status == "resolved" else 0):
            raise ValueError(
                f"expected all five scores of a resolved outcome and none otherwise, found {given}"
            )
        return self
