"""Spans, where a collector is configured; else nothing, and nothing of it is imported here. Ids come in from outside, and go out to nobody.

A span holds who did what for how long: never a statement's values, and of a prompt nothing unless `telemetry.content` asks for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import structlog

from app import __version__
from app.settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer

log = structlog.get_logger()

Kind = Literal["server", "internal", "client"]
Value: TypeAlias = str | int | float | bool
CLOSE_SECONDS = 5.0
MAX_CONTENT_CHARS = 8_000


class Span:
    """A span that does nothing: the one there is while no collector is configured."""

    __slots__ = ()

    def set(self, **attributes: Value) -> None:
        """Set attributes. A dot in a name is written as two underscores: gen_ai__request__model."""

    def rename(self, name: str) -> None:
        pass

    def failed(self, why: str) -> None:
        pass

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


NOTHING = Span()


class _Real(Span):
    __slots__ = ("_context", "_span", "_token")

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def set(self, **attributes: Value) -> None:
        self._span.set_attributes(_dotted(attributes))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def failed(self, why: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", why)
        self._span.set_status(StatusCode.ERROR)

    def __enter__(self) -> Span:
        from opentelemetry import context, trace

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        from opentelemetry import context

        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.failed(getattr(error, "code", None) or type(error).__name__)  # its words may quote a prompt
        context.detach(self._token)
        self._span.end()


class _State:
    tracer: Tracer | None = None
    content = False


def on() -> bool:
    return _State.tracer is not None


def content() -> bool:
    """Tell whether prompts are to be put into spans."""
    return _State.content


def span(name: str, kind: Kind = "internal", **attributes: Value) -> Span:
    """Open a span as a context. While tracing is off it costs a tenth of a microsecond."""
    if _State.tracer is None:
        return NOTHING
    return _Real(_State.tracer.start_span(name, kind=_kind(kind), attributes=_dotted(attributes), record_exception=False))


def request(name: str, headers: Iterable[tuple[bytes, bytes]]) -> Span:
    """Open a request's span: under the caller's own, where a `traceparent` came."""
    if _State.tracer is None:
        return NOTHING
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {key.decode("latin-1"): value.decode("latin-1") for key, value in headers if key in {b"traceparent", b"tracestate"}}
    parent = TraceContextTextMapPropagator().extract(carrier)
    return _Real(_State.tracer.start_span(name, context=parent, kind=_kind("server"), record_exception=False))


def past(name: str, seconds: float, kind: Kind = "client", **attributes: Value) -> None:
    """Record a span of something that has just ended."""
    if _State.tracer is not None:
        began = time.time_ns() - int(seconds * 1e9)
        _State.tracer.start_span(name, kind=_kind(kind), attributes=_dotted(attributes), start_time=began).end()


@asynccontextmanager
async def open_traces(settings: TelemetrySettings, *, role: str) -> AsyncIterator[None]:
    """Send spans to the collector for the length of the context; what waits at its end is still sent, for a few seconds."""
    if settings.otlp_endpoint is None:
        yield
        return
    provider = await asyncio.to_thread(_provider, settings, role)  # it imports, and looks round the machine
    _State.tracer, _State.content = provider.get_tracer("cairn", __version__), settings.content
    endpoint = settings.otlp_endpoint
    log.info("traces.on", endpoint=endpoint, sample=settings.sample, content=settings.content)
    try:
        yield
    finally:
        _State.tracer, _State.content = None, False
        await asyncio.to_thread(provider.shutdown)


def _provider(settings: TelemetrySettings, role: str) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    headers = None if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
    endpoint = f"{(settings.otlp_endpoint or '').rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=endpoint, headers=_headers(headers), timeout=CLOSE_SECONDS)
    resource = Resource.create({"service.name": "cairn", "service.version": __version__, "cairn.role": role})
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.sample)))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _headers(given: str | None) -> dict[str, str]:
    """Parse `name=value,name=value`, as OpenTelemetry writes them."""
    pairs = [each.partition("=") for each in (given or "").split(",") if "=" in each]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _kind(kind: Kind) -> Any:
    from opentelemetry.trace import SpanKind

    return SpanKind[kind.upper()]


def _dotted(attributes: dict[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}
