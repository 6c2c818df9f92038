"""Messages: both directions of the wire, evolution, and the published JSON Schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.events import (
    Band,
    Bar,
    Calibration,
    DeadLetter,
    DriftAlert,
    Event,
    Outcome,
    Quantiles,
    Release,
    RetrainRequest,
    RetrainStatus,
    ShadowScore,
    json_schemas,
)
from contracts.events.dead import KEPT_BYTES

AT = datetime(2024, 1, 1, 4, tzinfo=UTC)
HEADING: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "horizon_bars": 42,
    "open_time": AT - timedelta(hours=4),
    "issued_at": AT,
    "target_time": AT + timedelta(days=7),
    "ref_price": 42_475.23,
    "origin": "live",
}
FIVE = Quantiles(q05=-0.1, q25=-0.03, q50=0.0, q75=0.03, q95=0.1)
BAND = Band(
    status="band",
    **HEADING,
    bundle="0.1.0+abc",
    returns=FIVE,
    prices=Quantiles(q05=1.0, q25=2.0, q50=3.0, q75=4.0, q95=5.0),
    sigma=0.01,
    calibration=Calibration(method="split_cqr", q_hat_90=0.02, q_hat_50=-0.01),
)
MESSAGES: list[Event] = [
    Bar(symbol="BTCUSDT", open_time=AT, open=1.0, high=2.0, low=0.5, close=1.5, volume=3.0),
    BAND,
    Band(status="no_band", **HEADING, reason="warming_up", detail="3 more bars"),
    Outcome(
        status="resolved", symbol="BTCUSDT", horizon_bars=42, issued_at=AT, target_time=AT, bundle="b",
        origin="live", realised=0.1, hit_90=True, hit_50=False, pinball=0.02, pit=0.9, winkler_90=0.3,
        winkler_50=0.2,
        shadow=ShadowScore(
            bundle="c", hit_90=True, hit_50=True, pinball=0.01, pit=0.8, winkler_90=0.2, winkler_50=0.1
        ),
    ),
    Outcome(
        status="unresolved", symbol="BTCUSDT", horizon_bars=42, issued_at=AT, target_time=AT, bundle="b",
        origin="live", reason="bridged",
    ),
    DriftAlert(
        at=AT, detector="cusum", channel="width", severity="warning", statistic=3.0, threshold=2.0,
        evidence="the range doubled", bundle="b",
    ),
    RetrainRequest(id="r1", at=AT, requested_by="ops", reason="monthly"),
    RetrainStatus(id="r1", at=AT, stage="training", progress=0.5),
    Release(action="promote", at=AT, by="ops", why="won", to_bundle="b"),
    DeadLetter.of("invalid_bar", "expected a bar", "1-1", {b"data": b"\xff"}),
]  # fmt: skip
KINDS = [type(message).__name__ for message in MESSAGES]


@pytest.mark.parametrize("message", MESSAGES, ids=KINDS)
class TestEveryMessage:
    """The contract suite of events, crossed with every one."""

    def test_the_wire_gives_back_what_was_sent(self, message: Event) -> None:
        assert type(message).from_wire(message.to_wire()) == message
        assert type(message).from_wire(message.to_wire()).to_wire() == message.to_wire()

    def test_it_is_valid_by_its_published_schema(self, message: Event) -> None:
        sent = json.loads(message.to_wire())
        jsonschema.validate(sent, json_schemas()[sent["schema"]], jsonschema.Draft202012Validator)

    def test_readers_ignore_fields_they_do_not_know(self, message: Event) -> None:
        newer = json.dumps({**json.loads(message.to_wire()), "added_later": [1, 2]})
        assert type(message).from_wire(newer) == message

    def test_another_schema_version_is_refused(self, message: Event) -> None:
        sent = json.loads(message.to_wire())
        with pytest.raises(ValidationError, match="schema"):
            type(message).from_wire(json.dumps({**sent, "schema": sent["schema"][:-1] + "9"}))

    def test_it_is_frozen(self, message: Event) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            message.schema_ = "x"  # type: ignore[attr-defined]

    def test_times_are_utc_with_a_final_z(self, message: Event) -> None:
        sent = json.loads(message.to_wire())
        times = [value for name, value in sent.items() if name == "at" or name.endswith(("_at", "_time"))]
        assert all(value.endswith("Z") for value in times)


def test_json_schemas_are_valid_and_stable() -> None:
    schemas = json_schemas()
    assert len(schemas) == 8
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


@given(offset=st.integers(-12, 14))
def test_offsets_are_brought_to_utc(offset: int) -> None:
    there = AT.astimezone(timezone(timedelta(hours=offset)))
    bar = Bar(symbol="A", open_time=there, open=1.0, high=2.0, low=0.5, close=1.5, volume=3.0)
    assert bar.open_time.utcoffset() == timedelta(0)
    assert json.loads(bar.to_wire())["open_time"] == "2024-01-01T04:00:00Z"


@pytest.mark.parametrize(
    "change",
    [
        {"returns": None},
        {"bundle": None},
        {"reason": "gap"},
        {"status": "no_band"},
        {"ref_price": 0.0},
        {"returns": {"q05": 1, "q25": 0, "q50": 2, "q75": 3, "q95": 4}},
        {"sigma": float("inf")},
    ],
)
def test_a_band_says_one_thing(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Band.model_validate({**BAND.model_dump(), **change})


def test_a_resolved_outcome_is_complete() -> None:
    resolved = MESSAGES[3].model_dump()
    with pytest.raises(ValidationError, match="all of realised"):
        Outcome.model_validate({**resolved, "pit": None})


@given(
    fields=st.dictionaries(st.binary(max_size=20), st.binary(max_size=40_000), min_size=1, max_size=4),
)
def test_a_dead_letter_keeps_the_bytes_it_has_room_for(fields: dict[bytes, bytes]) -> None:
    letter = DeadLetter.of("invalid_bar", "why", "1-0", fields)
    size = sum(len(name) + len(value) for name, value in fields.items())
    assert letter.size_bytes == size
    assert letter.truncated == (size > KEPT_BYTES)
    assert len(letter.to_wire()) < 8 * KEPT_BYTES
    if not letter.truncated:
        import base64

        kept = [
            f.text.encode() if f.text is not None else base64.b64decode(f.base64 or "") for f in letter.fields
        ]
        assert kept == list(fields.values())
