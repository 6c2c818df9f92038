"""AsyncAPI 3 of the worker: what it reads and writes, with the messages' own schemas."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from faststream.redis import RedisBroker, StreamSub
from faststream.specification import AsyncAPI

from contracts.events import Band, Bar, DeadLetter, DriftAlert, Outcome, RetrainRequest
from contracts.model.grid import HORIZONS
from contracts.topics import GROUP, Topics


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

    for horizon in HORIZONS:
        broker.publisher(
            stream=topics.bands(horizon),
            schema=Band,
            title=topics.bands(horizon),
            description=f"One record per accepted bar: a band {horizon} bars ahead, or why there is none.",
        )
    for horizon in HORIZONS:
        broker.publisher(
            stream=topics.outcomes(horizon),
            schema=Outcome,
            title=topics.outcomes(horizon),
            description=f"Bands {horizon} bars ahead whose target bar has closed, scored.",
        )
        broker.publisher(
            stream=topics.shadow(horizon),
            schema=Band,
            title=topics.shadow(horizon),
            description="What the bundle that does not answer for the symbol would have said.",
        )
    broker.publisher(
        stream=topics.drift,
        schema=DriftAlert,
        title=topics.drift,
        description="Drift findings, each with the evidence a person needs to judge it.",
    )
    broker.publisher(
        stream=topics.retrain,
        schema=RetrainRequest,
        title=topics.retrain,
        description="Requests to train a new bundle, at most one a week and bundle from a worker.",
    )
    broker.publisher(
        stream=topics.dead,
        schema=DeadLetter,
        title=topics.dead,
        description="Rejected inputs, with the reason and the original bytes.",
    )
    return AsyncAPI(broker, title="Quant Bands worker", version=version("quant-bands"))


def document(topics: Topics | None = None) -> Any:
    """The specification as JSON types."""
    return specification(topics).to_specification().to_jsonable()
