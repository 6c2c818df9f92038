"""The published JSON Schemas: equal to the models, valid, and true of what is on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts.events.schema import MESSAGES, json_schemas
from contracts.schemas import schema_file, schema_texts, write_schemas
from contracts.topics import Topics
from tests.contracts.events.test_events import MESSAGES as SENT
from tests.market import TestMarket
from worker.arrival import Arrival
from worker.asyncapi import Swap, document
from worker.engine import Engine
from worker.lineup import Lineup
from worker.step import State

VERSIONS = sorted(json_schemas())


def published(version: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(schema_file(version).read_text(encoding="utf-8"))
    return loaded


def validator(version: str) -> jsonschema.Draft202012Validator:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(published(version), format_checker=checker)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_files_are_what_the_models_say(version: str) -> None:
    file = schema_file(version)
    assert file.read_text(encoding="utf-8") == schema_texts()[file.name], (
        f"{file.name} is not what the model says; run python -m contracts.schemas, and raise the version "
        "unless all that changed is a new optional field (docs/schema-evolution.md)"
    )
    jsonschema.Draft202012Validator.check_schema(published(version))
    assert published(version)["$schema"].endswith("2020-12/schema")


def test_every_message_is_published_and_written_anew_the_same(tmp_path: Path) -> None:
    assert len(VERSIONS) == len(MESSAGES)
    written = write_schemas(tmp_path / "schemas")
    assert {file.name: file.read_text() for file in written} == schema_texts()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_sent_is_valid_and_what_lacks_something_is_not(version: str) -> None:
    sent = [json.loads(m.to_wire()) for m in SENT if json.loads(m.to_wire())["schema"] == version]
    assert sent
    for message in sent:
        validator(version).validate(message)
        for name in published(version)["required"]:
            lacking = {k: v for k, v in message.items() if k != name}
            assert not validator(version).is_valid(lacking)


def test_a_workers_records_are_valid(market: TestMarket) -> None:
    bars = market.bars(50)
    arrivals = [Arrival(f"{n}-0", {}, bar) for n, bar in enumerate(bars, 1)]
    seen = set()
    for event in Engine(Lineup(market.bundle)).run(State(), arrivals).events:
        record = json.loads(event.payload)
        validator(record["schema"]).validate(record)
        seen.add((record["schema"], record.get("status")))
    for bar in bars:
        validator("bar/1").validate(json.loads(bar.to_wire()))
    assert seen >= {("band/1", "band"), ("outcome/1", "resolved")}


def test_asyncapi_describes_every_stream_once(market: TestMarket) -> None:
    channels = document()["channels"]
    topics = Topics()
    outputs = {f(h) for f in (topics.bands, topics.outcomes, topics.shadow) for h in (42, 48, 54, 60)}
    others = {topics.bars, topics.dead, topics.drift, topics.retrain, topics.swaps}
    assert {c["address"] for c in channels.values()} == outputs | others | {
        "retrain.status",
        "releases",
        "latest:{symbol}",
    }
    said = set(document()["operations"])
    assert said == outputs | others
    swap = json.loads(Lineup(market.bundle).record("7-0"))
    read = Swap.model_validate(swap, extra="forbid")
    assert (read.after, read.label) == ("7-0", market.bundle.label)


def test_asyncapi_names_a_partitions_streams_as_they_are() -> None:
    for channel in document(Topics(1, 3))["channels"].values():
        if "{1}" in channel["address"]:
            assert channel["parameters"]["1"]["enum"] == ["{1}"]
    addresses = {c["address"] for c in document(Topics(1, 3))["channels"].values()}
    assert {"bars.4h.{1}", "bands.T42.{1}", "latest:{symbol}.{1}", "releases"} <= addresses
