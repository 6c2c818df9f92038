"""The rules of docs/schema-evolution.md, in both directions, for every message."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import Field, ValidationError, create_model

from contracts.events.base import Event
from tests.contracts.events.test_events import KINDS, MESSAGES


def with_field(model: type[Event]) -> type[Event]:
    """The same message as a later release may define it: one optional field more."""
    return create_model(f"Later{model.__name__}", __base__=model, venue=(str | None, None))


def raised(model: type[Event]) -> type[Event]:
    """The same message after a change that readers would get wrong: the version is raised."""
    version = str(model.model_fields["schema_"].default).partition("/")[0] + "/2"
    return create_model(
        f"Second{model.__name__}",
        __base__=model,
        schema_=(Literal[version], Field(default=version, alias="schema")),
    )


@pytest.mark.parametrize("message", MESSAGES, ids=KINDS)
class TestBothDirections:
    """Old reader with new writer, new reader with old writer."""

    def test_an_old_reader_ignores_a_new_writers_field(self, message: Event) -> None:
        later = with_field(type(message))
        sent = later.model_validate({**message.model_dump(by_alias=True), "venue": "bitstamp"})
        assert json.loads(sent.to_wire())["venue"] == "bitstamp"
        assert type(message).from_wire(sent.to_wire()) == message

    def test_a_new_reader_does_without_the_field_of_an_old_writer(self, message: Event) -> None:
        read: Any = with_field(type(message)).from_wire(message.to_wire())
        assert read.venue is None
        assert type(message).from_wire(read.to_wire()) == message

    def test_an_old_reader_refuses_a_raised_version(self, message: Event) -> None:
        newer = raised(type(message)).model_validate(
            {k: v for k, v in message.model_dump(by_alias=True).items() if k != "schema"}
        )
        with pytest.raises(ValidationError, match="schema"):
            type(message).from_wire(newer.to_wire())

    def test_a_new_reader_refuses_an_old_version_it_does_not_know(self, message: Event) -> None:
        with pytest.raises(ValidationError, match="schema"):
            raised(type(message)).from_wire(message.to_wire())

    def test_nothing_optional_is_sent_empty(self, message: Event) -> None:
        """An absent field and a field of an older writer look the same."""
        assert None not in json.loads(message.to_wire()).values()

    def test_a_message_without_its_version_is_of_the_first(self, message: Event) -> None:
        sent = json.loads(message.to_wire())
        assert sent.pop("schema").endswith("/1")
        assert type(message).from_wire(json.dumps(sent)) == message
