"""Spans for OpenTelemetry, where its own variables name a collector. Without them nothing is imported.

All spans of a run, in whatever processes, are of one trace, whose id is the run's. What is an attribute of a span
is one of those within it too: a request says of which run, source and correlation id it is. Errors are there by
the name of their class: what they say may quote a text.
"""

import atexit
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Protocol, TypeVar
from uuid import UUID

from bootstrap_assets.errors import MissingExtraError
from bootstrap_assets.extras import needs_extra

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables of OpenTelemetry's that name a collector; its SDK reads these and its others."""

FLUSH = 3.0
"""Seconds that a run waits at its end, at most, for its spans to be sent; none where the collector is away."""

_log = logging.getLogger(__name__)
_attributes: ContextVar[dict[str, Any]] = ContextVar("attributes", default={})  # noqa: B039 - never changed
_away = threading.Event()  # set while the collector does not answer
_trace: ContextVar[int | None] = ContextVar("trace", default=None)


@contextmanager
def run(run_id: str, correlation: str | None) -> Iterator[None]:
    """The span of a run, or of a process's part in it; its spans are sent when it ends."""
    if _provider() is None:
        yield
        return
    place = {"host.name": socket.gethostname(), "process.pid": os.getpid()}
    token = _trace.set(_trace_of(run_id))
    try:
        with span("run", run=run_id, correlation=correlation or run_id, **place):
            yield
    finally:
        _trace.reset(token)
        _flush()


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[Callable[..., None]]:
    """A span around the block, which is given what adds attributes to it: `note(tokens=5)`."""
    provider = _provider()
    if provider is None:
        yield _ignore
        return
    common = {**_attributes.get(), **attributes}
    token, tracer = _attributes.set(common), provider.get_tracer("bootstrap-assets")
    try:
        with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as current:

            def note(**more: Any) -> None:
                current.set_attributes(_names(more))

            note(**common)
            try:
                yield note
            except BaseException as error:
                note(**{"error.type": type(error).__name__})
                current.set_status(_error())
                raise
    finally:
        _attributes.reset(token)


class Batch(Protocol):
    """A batch that is complete, and how many of its texts were embedded just now."""

    @property
    def batch(self) -> int:
        """Its number."""
        ...

    @property
    def embedded(self) -> int:
        """How many were."""
        ...


OfBatch = TypeVar("OfBatch", bound=Batch)


def with_batches(call: Callable[[OfBatch], None], source: str) -> Callable[[OfBatch], None]:
    """`call`, and with it a span for each batch that had something to embed, from now until it is complete."""
    provider, since = _provider(), time.time_ns()
    if provider is None:
        return call

    def record(batch: OfBatch) -> None:
        if batch.embedded:
            about = {"source": source, "batch": batch.batch, "texts": batch.embedded}
            more = _names({**_attributes.get(), **about})
            tracer = provider.get_tracer("bootstrap-assets")
            tracer.start_span("batch", start_time=since, attributes=more).end()
        call(batch)

    return record


def _flush() -> None:
    """Send what there is. OpenTelemetry's own limit of time does not hold where a collector is away.

    It is waited for once in a process: until it has answered, spans go when OpenTelemetry's own thread sends them.
    """
    if _away.is_set():
        return
    sending = threading.Thread(target=_provider().force_flush, name="spans", daemon=True)
    sending.start()
    sending.join(FLUSH)
    if sending.is_alive():
        _away.set()


def _end(provider: Any) -> None:
    """At the end of the process: send the rest, but not to a collector that is away, which takes ten seconds."""
    if not _away.is_set():
        provider.shutdown()


def _ignore(**_attributes: Any) -> None:
    """What there is to note where there are no spans: nothing."""


def _names(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes under names that are ours alone, but for those that OpenTelemetry has a name for."""
    return {name if "." in name else f"bootstrap.{name}": value for name, value in attributes.items()}


def _trace_of(run_id: str) -> int | None:
    """The trace of a run; None, a new one, where its id has not the size of a trace's."""
    try:
        return UUID(run_id).int
    except ValueError:
        return None


@cache
def _provider() -> Any:
    """What makes spans; None where no collector is named, or the extra is missing, which is said once."""
    variable = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if variable is None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        with needs_extra("telemetry", variable):
            return _make_provider()
    except MissingExtraError as error:
        _log.warning("no spans are sent: %s", error)
        return None


def _make_provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class OfRun(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return _trace.get() or super().generate_trace_id()

    class Sending(OTLPSpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            result = super().export(spans)
            (_away.clear if result is SpanExportResult.SUCCESS else _away.set)()
            return result

    has_name = "OTEL_SERVICE_NAME" in os.environ or "service.name" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({} if has_name else {"service.name": "bootstrap-assets"})
    provider = TracerProvider(resource=resource, id_generator=OfRun(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Sending()))
    atexit.register(_end, provider)
    return provider


def _error() -> Any:
    from opentelemetry.trace import Status, StatusCode

    return Status(StatusCode.ERROR)
