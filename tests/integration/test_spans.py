"""Spans are sent where OpenTelemetry's variables name a collector, and say what was done for whom."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bootstrap_assets import pipeline, spans
from bootstrap_assets.documents import stages
from bootstrap_assets.embedding.context import Corpus, open_corpus
from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.settings import Settings
from tests.fakes.voyage_server import Refusal, VoyageServer
from tests.integration.test_documents import TEXT, add_tenant, put
from tests.integration.test_fill import load
from tests.made_up_source import MADE_UP, contracts

RUN = uuid4().hex


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    id: bytes
    parent: bytes
    attributes: dict[str, Any]
    is_error: bool
    service: str
    events: str


class Collector(BaseHTTPRequestHandler):
    """Takes what OTLP over HTTP sends to /v1/traces."""

    received: ClassVar[list[Span]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            [service] = [it.value.string_value for it in resource.resource.attributes if it.key == "service.name"]
            self.received += [spanned(one, service) for scope in resource.scope_spans for one in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def spanned(one: Any, service: str) -> Span:
    values = {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in one.attributes}
    return Span(
        one.name,
        one.trace_id.hex(),
        one.span_id,
        one.parent_span_id,
        values,
        one.status.code == 2,
        service,
        str(one.events),
    )


@pytest.fixture
def provider() -> Iterator[None]:
    """What makes spans is made by the variables of this test."""
    spans._provider.cache_clear()
    spans._away.clear()
    yield
    if provider := spans._provider():
        provider.shutdown()
    spans._provider.cache_clear()


@pytest.fixture
def received(provider: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Span]]:
    """The spans that came to a collector on the loopback interface, which the variables name."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Collector.received.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield Collector.received
        spans._provider().shutdown()
        server.shutdown()


def named(received: list[Span], name: str) -> list[Span]:
    return [span for span in received if span.name == name]


def test_everything_that_a_run_does_is_a_span_of_its_trace(
    received: list[Span], settings: Settings, voyage: VoyageServer
) -> None:
    with open_corpus(settings.model_copy(update={"correlation": "ticket 7"}), run_id=RUN) as corpus:
        load(corpus, contracts(20))
        pipeline.embed(corpus, MADE_UP)
        pipeline.build_index(corpus)
        add_tenant(corpus, "acme")
        put(corpus, "acme", "msa.md", TEXT)
        stages.process(corpus, "acme")
    assert {span.name for span in received} == {
        *("run", "load", "embed", "batch", "request", "index", "document stage")
    }
    assert {span.trace for span in received} == {RUN}
    assert {span.service for span in received} == {"bootstrap-assets"}
    assert {(it.attributes["bootstrap.run"], it.attributes["bootstrap.correlation"]) for it in received} == {
        (RUN, "ticket 7")
    }
    [run], [load_of_all], [embed] = (named(received, name) for name in ("run", "load", "embed"))
    assert run.parent == b""
    assert {span.parent for span in (load_of_all, embed)} == {run.id}
    of_source = [it for it in named(received, "request") if it.attributes["bootstrap.source"] == MADE_UP.name]
    assert {span.parent for span in of_source} == {embed.id}
    assert sum(span.attributes["bootstrap.texts"] for span in named(received, "request")) == voyage.texts_paid
    assert all(span.attributes["bootstrap.tokens"] > 0 for span in named(received, "request"))
    batches = named(received, "batch")
    assert len({span.attributes["bootstrap.batch"] for span in batches}) == len(batches) > 5
    assert sum(span.attributes["bootstrap.texts"] for span in batches) == 80
    assert [span.attributes["bootstrap.stage"] for span in named(received, "document stage")] == [
        *("extracting", "chunking", "embedding", "connecting")
    ]
    assert not [span for span in received if span.is_error]


def test_an_error_is_there_by_its_class_and_nothing_that_it_says(
    received: list[Span], settings: Settings, voyage: VoyageServer
) -> None:
    def refuse(_texts: list[str]) -> None:
        raise Refusal(401, "the key pa-secret is wrong")

    voyage.refuse = refuse
    with open_corpus(settings, run_id=RUN) as corpus:
        load(corpus, contracts(2))
        with suppress(BootstrapError):
            pipeline.embed(corpus, MADE_UP)
    [request] = named(received, "request")
    assert (request.is_error, request.attributes["error.type"]) == (True, "AccessError")
    assert "the key" not in str(received)


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys, bootstrap_assets.definitions, bootstrap_assets.cli, bootstrap_assets.worker\n"
        "from bootstrap_assets import spans\n"
        "with spans.run('a run', None), spans.span('a span', source='cuad') as note: note(texts=5)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("provider")
def test_where_the_extra_is_missing_the_work_is_done_and_a_line_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with spans.run(RUN, None), spans.span("load"):
                pass
    [line] = caplog.messages
    assert line.startswith("no spans are sent: OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `telemetry`")


@pytest.mark.usefixtures("provider")
def test_a_collector_that_is_away_holds_no_run_up_for_long(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    since = time.monotonic()
    with spans.run(RUN, None):
        load(corpus, contracts(1))
    assert time.monotonic() - since < spans.FLUSH + 2


def test_a_collector_that_is_away_is_waited_for_once_in_a_process() -> None:
    code = "from bootstrap_assets import spans\nfor _ in range(4):\n    with spans.run('a run', None): pass"
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    since = time.monotonic()
    subprocess.run([sys.executable, "-c", code], env=os.environ | collector, check=True)
    assert spans.FLUSH < time.monotonic() - since < spans.FLUSH + 4


def test_once_the_collector_answers_it_is_waited_for_again(received: list[Span]) -> None:
    spans._away.set()
    with spans.run(RUN, None):
        pass
    assert received == []
    spans._provider().force_flush()
    with spans.run(RUN, None):
        pass
    assert len(received) == 2
