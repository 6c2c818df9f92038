"""What `retrain.status` hears of a pipeline, whatever the machine's speed and wherever it is killed."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from contracts.events import RetrainRequest
from offline.retrain import Stage
from offline.retrain.desk import Answer
from ops.pipeline import Event
from ops.pipeline.drive import Ending
from ops.pipeline.stages import STAGES
from ops.retraining.stages import SHARES, Telling
from tests.offline.retrain.test_desk import NOW, Office, status

Told = tuple[Stage, float]


def test_each_stage_begins_where_the_one_before_ends() -> None:
    shares = list(SHARES.values())
    assert [begin for _, begin, _ in shares[1:]] == [end for _, _, end in shares[:-1]]
    names = [stage.name for stage in STAGES if stage.name in SHARES]
    assert names == list(SHARES)


def reports(steps: int, *, up_to_date: int = 0, killed_in: int | None = None) -> list[Told]:
    """What a pipeline reports that finds its first stages up to date, and is killed in the middle of one."""
    told: list[Told] = []
    telling = Telling(lambda stage, progress, detail="": told.append((stage, progress)))
    for number, stage in enumerate(STAGES):
        state: Ending = "up to date" if number < up_to_date else "ran"
        if stage.name not in SHARES:
            state = "not asked"
        elif state == "ran":
            with telling.bars() as progress:
                for step in range(steps + 1):
                    progress("all of it", step, steps)
        if number == killed_in:
            break
        telling.on_event(Event(stage.name, state, "", 0.0, ""))
    return told


def due(told: list[Told], is_due: list[bool]) -> list[Told]:
    """Those that are sent: the first of a stage always, the others when the clock says so."""
    return [
        one
        for number, one in enumerate(told)
        if number == 0 or one[0] != told[number - 1][0] or is_due[number % len(is_due)]
    ]


@given(
    steps=st.integers(1, 7),
    is_due=st.lists(st.booleans(), min_size=1, max_size=30),
    killed_in=st.integers(0, len(STAGES) - 1),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_stage_is_told_in_order_and_never_backwards(
    embedded_url: str, steps: int, is_due: list[bool], killed_in: int
) -> None:
    killed = due(reports(steps, killed_in=killed_in), is_due)
    resumed = due(reports(steps, up_to_date=killed_in), is_due)

    async def tell() -> list[Told]:
        Redis.from_url(embedded_url).flushall()
        office = Office(embedded_url)
        assert await office.lock.acquire() is None
        request = RetrainRequest(id="r1", at=NOW, requested_by="t", reason="r")
        entry = await office.deliver("r1")
        await office.desk.begin(entry, request, "c1", status("r1", "accepted"), 0)
        for stage, progress in killed + resumed:
            assert await office.desk.progress(status("r1", stage, progress)) in (Answer.OK, Answer.OLD)
        told: list[Any] = [(one.stage, one.progress) for one in await office.told()]
        await office.redis.aclose()
        return told

    told = asyncio.run(tell())
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == ["accepted", "tuning", "validating", "training", "gates"]
    assert [stage for stage, _ in told] == sorted((stage for stage, _ in told), key=stages.index)
    assert [progress for _, progress in told] == sorted(progress for _, progress in told)
    assert len(set(told)) == len(told)
