"""AsyncAPI 3 of the worker's streams, with the messages' own schemas.

What the worker reads and writes are operations; what others write on the same server is described as
channels without one, so that a subscriber finds every stream in one document.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from typing import Any

from faststream.redis import RedisBroker, StreamSub
from faststream.specification import AsyncAPI
from faststream.specification.base import Specification
from pydantic import BaseModel, Field

from contracts.events import (
    Band,
    Bar,
    DeadLetter,
    DriftAlert,
    Outcome,
    Release,
    RetrainRequest,
    RetrainStatus,
)
from contracts.events.base import SYMBOL_PATTERN
from contracts.model.grid import HORIZONS
from contracts.topics import GROUP, RELEASES, RETRAIN_STATUS, Topics

TITLE = "Quant Bands worker"
DESCRIPTION = (
    "One stream entry is one field, `data`, holding the message as JSON. Readers ignore fields they do not "
    "know; a message that can no longer be read so raises the number in its `schema`."
)


class ServedBundle(BaseModel):
    """A bundle as a swap's record names it."""

    label: str
    sha256: str
    leader: str | None = None


class Swap(BaseModel):
    """A bundle swap: what applies to every entry of the bars stream after the entry id `after`.

    Without `label` no bundle serves. `share` is the part of the symbols the challenger answers for.
    """

    after: str
    label: str | None = None
    sha256: str | None = None
    leader: str | None = None
    challenger: ServedBundle | None = None
    share: float | None = Field(default=None, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class _Stream:
    """One channel: `written_by` is None where the worker itself writes."""

    name: str
    message: type[BaseModel]
    description: str
    written_by: str | None = None


def _written(topics: Topics) -> list[_Stream]:
    each: list[tuple[Callable[[int], str], type[BaseModel], str]] = [
        (topics.bands, Band, "One record per accepted bar: a band {h} bars ahead, or why there is none."),
        (topics.outcomes, Outcome, "Bands {h} bars ahead whose target bar has closed, scored."),
        (topics.shadow, Band, "What the bundle that does not answer for the symbol would have said."),
    ]
    return [
        *(_Stream(name(h), message, told.format(h=h)) for name, message, told in each for h in HORIZONS),
        _Stream(
            topics.drift, DriftAlert, "Drift findings, each with the evidence a person needs to judge it."
        ),
        _Stream(
            topics.retrain,
            RetrainRequest,
            "Requests to train a new bundle, at most one a week and bundle from a worker.",
        ),
        _Stream(topics.dead, DeadLetter, "Rejected inputs, with the reason and the original bytes."),
        _Stream(topics.swaps, Swap, "Which bundle applies to the bars after which entry, in order."),
        _Stream(RETRAIN_STATUS, RetrainStatus, "Progress and result of retrain runs.", "the retrainer"),
        _Stream(RELEASES, Release, "Who promoted, shadowed or rolled back what, and why.", "ops"),
    ]


class _Described(AsyncAPI):
    """FastStream's document, completed: see `_completed`."""

    def __init__(self, broker: RedisBroker, topics: Topics) -> None:
        super().__init__(
            broker,
            title=TITLE,
            version=version("quant-bands"),
            description=DESCRIPTION,
            schema_version="3.1.0",
        )
        self._topics = topics

    def to_specification(self) -> Specification:
        return _Document(_completed(super().to_specification().to_jsonable(), self._topics))


@dataclass(frozen=True, slots=True)
class _Document:
    content: Any

    @property
    def title(self) -> str:
        return str(self.content["info"]["title"])

    def to_jsonable(self) -> Any:
        return self.content

    def to_json(self) -> str:
        return json.dumps(self.content)

    def to_yaml(self) -> str:
        import yaml

        text = StringIO(newline="\n")
        yaml.dump(self.content, text, sort_keys=False)
        return text.getvalue()


def specification(topics: Topics | None = None) -> AsyncAPI:
    """The specification of one partition.

    It is drawn from a broker that is never connected: the live one reads raw entries, and the outputs
    are written by the commit script.
    """
    topics = topics or Topics()
    broker = RedisBroker("redis://localhost:6379")

    @broker.subscriber(
        stream=StreamSub(topics.bars, group=GROUP, consumer=topics.consumer),
        title=topics.bars,
        description="Closed 4-hour bars, one entry each: a `data` field with JSON, or flat fields.",
    )
    async def bars(bar: Bar) -> None:
        """Never called."""

    for stream in _written(topics):
        broker.publisher(
            stream=stream.name, schema=stream.message, title=stream.name, description=stream.description
        )
    return _Described(broker, topics)


def document(topics: Topics | None = None) -> Any:
    """The specification as JSON types."""
    return specification(topics).to_specification().to_jsonable()


def _completed(content: dict[str, Any], topics: Topics) -> dict[str, Any]:
    """Say what FastStream's generator can not, in an order that does not change from run to run.

    Others' streams lose their operation, entries have no headers to correlate by, the braces of a
    partition's hash tag are part of the name rather than a variable, and the newest records are a hash.
    """
    others = {s.name: s.written_by for s in _written(topics) if s.written_by is not None}
    names = [topics.bars, *(stream.name for stream in _written(topics))]
    operations = content["operations"]
    content["operations"] = {name: operations[name] for name in names if name in operations}
    channels = {name: content["channels"][name] for name in names}
    for message in content["components"]["messages"].values():
        message.pop("correlationId", None)
    for name, writer in others.items():
        del content["operations"][name]
        channels[name]["description"] += f" Written by {writer}."
    newest = _newest(channels[topics.bands(HORIZONS[0])], topics)
    content["channels"] = {**channels, "latest": newest}
    if topics.partitions > 1:
        tag = f"{{{topics.partition}}}"
        for channel in content["channels"].values():
            if tag in channel["address"]:
                told = {"enum": [tag], "default": tag, "description": "The partition; braces and all."}
                channel.setdefault("parameters", {})[str(topics.partition)] = told
    return content


def _newest(bands: dict[str, Any], topics: Topics) -> dict[str, Any]:
    fields = ", ".join(f"`T{horizon}`" for horizon in HORIZONS)
    return {
        "address": topics.latest("{symbol}"),
        "description": f"A hash, for those who poll: the newest band record in each of its fields {fields}.",
        "servers": bands["servers"],
        "messages": bands["messages"],
        "parameters": {"symbol": {"description": f"The market's name, {SYMBOL_PATTERN}"}},
    }
