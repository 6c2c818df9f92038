"""OpenTelemetry traces from bar to band, over OTLP/HTTP; off, nothing of it is loaded (10 MB).

A run of bars is one trace of three spans: `bars.4h process` with `step` and `commit` below it. Each bar has a
span `bar` besides: the child of the feed's span where its entry carries a `traceparent` (as a field beside
`data` or flat, inside the JSON, or in FastStream's headers), else of the run's.

FastStream's own middleware is not used: it takes one context from the headers of a whole batch, which our raw
entries do not have, and never sees the bars that a crash left pending.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from faststream.redis.message import bDATA_KEY as FASTSTREAM_FIELD
from faststream.redis.parser import BinaryMessageFormatV1

from contracts.events import Bar
from contracts.topics import Topics
from worker.arrival import Arrival, Fields
from worker.run import Run

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger(__name__)

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PATH = "/v1/traces"
EXPORT_TIMEOUT_S = 3.0
STOP_S = 2.0
"""How long an end waits for the last spans: a dead collector must not hold a stop up."""
TRACEPARENT = b"traceparent"


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where traces go: an OTLP/HTTP base URL, None for what the OTEL_* variables say."""

    endpoint: str | None = None
    sample_ratio: float = 1.0


def asked_by_environment() -> bool:
    """Whether an OTEL_* variable names an endpoint and none switches tracing off."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(os.environ.get(name) for name in ENDPOINT_VARIABLES)


def start_tracing(tracing: Tracing | None, topics: Topics) -> SpanRecorder | None:
    """The tracer of one worker; None where nobody asked for one."""
    return None if tracing is None else SpanRecorder(tracing, topics)


class SpanRecorder:
    """Turns runs into spans and sends them from a thread of its own."""

    def __init__(self, tracing: Tracing, topics: Topics) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        told: dict[str, str | int] = {
            "service.version": version("quant-bands"),
            "bands.partition": topics.partition,
        }
        if "OTEL_SERVICE_NAME" not in os.environ:
            told["service.name"] = "bands-worker"
        sampled_by_environment = "OTEL_TRACES_SAMPLER" in os.environ
        self._provider = TracerProvider(
            sampler=None if sampled_by_environment else ParentBased(TraceIdRatioBased(tracing.sample_ratio)),
            resource=Resource.create(told),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=_url(tracing.endpoint), timeout=EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer("quant-bands.worker")
        self._stream = topics.bars
        self._failed = False

    def record(self, run: Run) -> None:
        """The spans of one run; a fault is told once and costs the spans, never the bars."""
        try:
            self._record(run)
        except Exception:
            if not self._failed:
                log.warning("traces are lost", exc_info=True)
            self._failed = True

    def stop(self) -> None:
        """Send what is left, for at most two seconds."""
        last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(STOP_S)

    def _record(self, run: Run) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, set_span_in_context

        began, stepped, ended = (int(at * 1e9) for at in (run.began_s, run.stepped_s, run.ended_s))
        entries = [arrival.entry for arrival in run.arrivals]
        champion = run.lineup.champion
        attributes: dict[str, Any] = {
            "messaging.system": "redis",
            "messaging.operation.type": "process",
            "messaging.destination.name": self._stream,
            "messaging.batch.message_count": len(entries),
            "bands.entries": entries,
            "bands.answer": run.answer,
            "bands.bundle": champion.label if champion else "",
        }
        whole = self._tracer.start_span(
            f"{self._stream} process", Context(), SpanKind.CONSUMER, attributes, start_time=began
        )
        inside = set_span_in_context(whole, Context())
        step = self._tracer.start_span(
            "step", inside, attributes={"bands.events": len(run.step.events)}, start_time=began
        )
        step.end(stepped)
        commit = self._tracer.start_span(
            "commit", inside, SpanKind.CLIENT, {"bands.answer": run.answer}, start_time=stepped
        )
        _blame(commit, run.answer)
        commit.end(ended)
        for arrival in run.arrivals:
            self._bar(run, arrival, inside, whole, began).end(ended)
        _blame(whole, run.answer)
        whole.end(ended)

    def _bar(self, run: Run, arrival: Arrival, inside: Context, whole: Span, began: int) -> Span:
        from opentelemetry.trace import Link, SpanKind

        attributes: dict[str, Any] = {"bands.entry": arrival.entry, "bands.answer": run.answer}
        bar = arrival.content
        if isinstance(bar, Bar):
            bundle = run.lineup.serving(bar.symbol)
            attributes |= {
                "bands.symbol": bar.symbol,
                "bands.open_time": bar.open_time.isoformat(),
                "bands.origin": bar.origin,
                "bands.bundle": bundle.label if bundle else "",
            }
        else:
            attributes["bands.refused"] = bar.reason
        sent = _context_of(arrival.fields)
        if sent is None:
            return self._tracer.start_span("bar", inside, SpanKind.CONSUMER, attributes, start_time=began)
        links = [Link(whole.get_span_context())]
        return self._tracer.start_span("bar", sent, SpanKind.CONSUMER, attributes, links, start_time=began)


def _url(endpoint: str | None) -> str | None:
    """The full URL; None leaves it to the OTEL_* variables."""
    if endpoint is None:
        return None
    return endpoint if endpoint.rstrip("/").endswith(PATH) else endpoint.rstrip("/") + PATH


def _blame(span: Span, answer: str) -> None:
    from opentelemetry.trace import StatusCode

    if answer not in {"OK", "DUP"}:
        span.set_status(StatusCode.ERROR, answer)


def _context_of(fields: Fields | None) -> Context | None:
    """The span a feed sent the bar from; None where it tells of none, or of nothing valid."""
    from opentelemetry.context import Context
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = _traceparent(fields or {})
    if parent is None:
        return None
    context = TraceContextTextMapPropagator().extract({"traceparent": parent}, context=Context())
    return context if get_current_span(context).get_span_context().is_valid else None


def _traceparent(fields: Fields) -> str | None:
    if (plain := fields.get(TRACEPARENT)) is not None:
        return plain.decode("ascii", "replace")
    headers: Any = {}
    try:
        if (envelope := fields.get(FASTSTREAM_FIELD)) is not None:
            body, headers = BinaryMessageFormatV1.parse(envelope)
        else:
            body = fields.get(b"data", b"")
        if isinstance(found := headers.get("traceparent"), str):
            return found
        told = json.loads(body) if TRACEPARENT in body else {}
        found = told.get("traceparent") if isinstance(told, dict) else None
    except (ValueError, TypeError, AttributeError):  # whatever a stranger wrote
        return None
    return found if isinstance(found, str) else None
