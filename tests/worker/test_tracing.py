"""Traces from bar to band, received by an OTLP collector of the test's own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from faststream.redis.parser import BinaryMessageFormatV1
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redis import Redis

from contracts.topics import Topics
from tests.market import TestMarket
from tests.worker.engines import arrivals
from tests.worker.test_service import config, wait_ready
from worker.arrival import Arrival, Refusal
from worker.engine import Engine
from worker.lineup import Lineup
from worker.run import Run
from worker.service import STOPPED, Worker
from worker.step import State
from worker.tracing import SpanRecorder, Tracing, start_tracing

TOPICS = Topics()
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Collector(ThreadingHTTPServer):
    """Keeps the spans it is sent, gzip or not, as protobuf."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: set[str] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.paths.add(self.path)
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr("worker.tracing.STOP_S", 60.0)
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        found = getattr(value, kind)
        return [plain(one) for one in found.values] if kind == "array_value" else found

    return {one.key: plain(one.value) for one in span.attributes}


def recorded(collector: Collector, run: Run) -> list[Any]:
    recorder = SpanRecorder(Tracing(collector.url), TOPICS)
    recorder.record(run)
    recorder.stop()
    return collector.spans()


def run_of(market: TestMarket, sent: list[Arrival], answer: str = "OK") -> Run:
    lineup = Lineup(market.bundle)
    return Run(sent, Engine(lineup).run(State(), sent), lineup, answer, 1_000.0, 1_000.25, 1_000.5)


def test_a_run_is_a_trace_with_its_step_its_commit_and_each_bar(
    collector: Collector, market: TestMarket
) -> None:
    spans = recorded(collector, run_of(market, arrivals(market.bars(1))))
    by_name: dict[str, list[Any]] = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(span)
    assert {name: len(found) for name, found in by_name.items()} == {
        "bars.4h process": 1,
        "step": 1,
        "commit": 1,
        "bar": 2,
    }
    (whole,) = by_name["bars.4h process"]
    assert collector.paths == {"/v1/traces"}
    assert {span.trace_id for span in spans} == {whole.trace_id}
    assert {span.parent_span_id for span in spans if span is not whole} == {whole.span_id}
    told = attributes(whole)
    assert told["bands.entries"] == ["1-0", "2-0"]
    assert (told["bands.answer"], told["bands.bundle"]) == ("OK", market.bundle.label)
    assert [attributes(one)["bands.symbol"] for one in by_name["bar"]] == ["AAA", "BBB"]
    (step,), (commit,) = by_name["step"], by_name["commit"]
    assert step.end_time_unix_nano == commit.start_time_unix_nano == 1_000_250_000_000
    assert whole.end_time_unix_nano == commit.end_time_unix_nano == 1_000_500_000_000
    resource = {
        one.key: one.value.string_value for one in collector.requests[0].resource_spans[0].resource.attributes
    }
    assert resource["service.name"] == "bands-worker"


def envelope(market: TestMarket) -> dict[bytes, bytes]:
    encoding = BinaryMessageFormatV1.encode(
        message=market.bars(1)[0].to_wire(),
        reply_to=None,
        headers={"traceparent": TRACEPARENT},
        correlation_id="c",
    )
    return {b"__data__": asyncio.run(encoding)}


@pytest.mark.parametrize("form", ["beside", "inside", "envelope"])
def test_a_feeds_trace_goes_on(collector: Collector, market: TestMarket, form: str) -> None:
    bar = market.bars(1)[0]
    inside = bar.to_wire()[:-1] + f',"traceparent":"{TRACEPARENT}"}}'.encode()
    fields = {
        "beside": {b"data": bar.to_wire(), b"traceparent": TRACEPARENT.encode()},
        "inside": {b"data": inside},
        "envelope": envelope(market),
    }[form]
    spans = recorded(collector, run_of(market, [Arrival("7-0", fields, bar)]))
    (span,) = [one for one in spans if one.name == "bar"]
    (whole,) = [one for one in spans if one.name == "bars.4h process"]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert [link.span_id for link in span.links] == [whole.span_id]
    assert attributes(span)["bands.entry"] == "7-0"


@pytest.mark.parametrize("sent", [b"rubbish", b"\xff\xfe", b"00-0-0-00", b""])
def test_a_context_that_is_none_is_ignored(collector: Collector, market: TestMarket, sent: bytes) -> None:
    bar = market.bars(1)[0]
    fields = {b"data": bar.to_wire(), b"traceparent": sent}
    spans = recorded(collector, run_of(market, [Arrival("7-0", fields, bar)]))
    (span,) = [one for one in spans if one.name == "bar"]
    (whole,) = [one for one in spans if one.name == "bars.4h process"]
    assert span.parent_span_id == whole.span_id


def test_refused_input_and_failed_commits_are_told(collector: Collector, market: TestMarket) -> None:
    refused = Arrival("7-0", {b"data": b'{"traceparent": 7'}, Refusal("invalid_bar", "no JSON"))
    spans = recorded(collector, run_of(market, [refused], "STALE"))
    (span,) = [one for one in spans if one.name == "bar"]
    (commit,) = [one for one in spans if one.name == "commit"]
    assert attributes(span)["bands.refused"] == "invalid_bar"
    assert (commit.status.code, commit.status.message) == (2, "STALE")


def test_a_collector_that_is_away_holds_up_neither_bars_nor_the_end(market: TestMarket) -> None:
    recorder = SpanRecorder(Tracing("http://127.0.0.1:1"), TOPICS)
    run = run_of(market, arrivals(market.bars(1)))
    for _ in range(50):
        recorder.record(run)
    recorder.stop()  # returns, whatever the exporter waits for


def test_without_an_endpoint_nothing_is_recorded_nor_loaded() -> None:
    assert start_tracing(None, TOPICS) is None
    code = (
        "import sys, ops.cli.worker\n"
        "unwanted = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "found = [m for m in sys.modules if m.startswith(unwanted)]\n"
        "sys.exit(f'loaded: {found}' if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_a_served_bar_is_traced(embedded_url: str, market: TestMarket, collector: Collector) -> None:
    client: Any = Redis.from_url(embedded_url)
    worker = Worker(config(embedded_url, market, tracing=Tracing(collector.url)))
    running = asyncio.create_task(worker.run())
    await wait_ready(worker)
    bar = market.bars(1)[0]
    fields = {"data": bar.to_wire(), "traceparent": TRACEPARENT}
    entry = (await asyncio.to_thread(client.xadd, TOPICS.bars, fields)).decode()
    async with asyncio.timeout(30):
        while client.xlen("bands.T60") < 1:
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == STOPPED
    (span,) = [one for one in collector.spans() if one.name == "bar"]
    told = attributes(span)
    assert span.trace_id.hex() == TRACE
    assert (told["bands.entry"], told["bands.answer"]) == (entry, "OK")
    arrived_ns = int(entry.split("-")[0]) * 1_000_000
    assert abs(span.start_time_unix_nano - arrived_ns) < 60e9
    assert span.end_time_unix_nano > span.start_time_unix_nano
