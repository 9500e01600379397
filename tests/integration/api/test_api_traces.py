"""Traces to a collector over real HTTP: one tree from the request to provider, ledger, database and vectors; nothing said, nothing leaked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.settings import TelemetrySettings
from app.telemetry import traces
from tests.integration.api.conftest import Api
from tests.integration.api.door import open_door
from tests.waiting import patience

ROOT = Path(__file__).resolve().parents[3]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECRET = "PlantedSecret-77aa"


@dataclass(slots=True)
class Collector:
    """An OTLP/HTTP receiver."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    raw: bytes = b""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("content-encoding") == "gzip":
            raise AssertionError("not asked for")
        self.raw += body
        self.headers.append(dict(request.headers))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return web.Response(body=b"", content_type="application/x-protobuf")

    def named(self, name: str) -> Any:
        found = [span for span in self.spans if span.name == name]
        assert found, (name, sorted({span.name for span in self.spans}))
        return found[0]

    def ancestors(self, span: Any) -> list[str]:
        by_id = {each.span_id: each for each in self.spans}
        names = []
        while (span := by_id.get(span.parent_span_id)) is not None:
            names.append(span.name)
        return names


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made, application = Collector(), web.Application()
    application.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    await runner.cleanup()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def test_a_call_of_a_model_is_one_tree_under_the_callers_own_span(api: Api, collector: Collector) -> None:
    async with open_door(api, cached=True) as door:
        async with traces.open_traces(TelemetrySettings(otlp_endpoint=collector.url), role="serve"):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            assert (await door.chat(f"tell me {SECRET}", headers=headers)).status == 200
            await door.money()  # settled behind the answer
        request = collector.named("POST /v1/chat/completions")
        assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
        assert attributes(request)["http.response.status_code"] == 200
        attempt = collector.named("attempt one")
        assert collector.ancestors(attempt) == ["engine chat", "POST /v1/chat/completions"]
        assert attributes(attempt)["gen_ai.request.model"] == "one-model"
        for name in ("budget hold", "budget settle"):
            assert collector.ancestors(collector.named(name))[-1] == "POST /v1/chat/completions"
        assert {span.trace_id.hex() for span in collector.spans if span.name.startswith(("attempt", "engine"))} == {TRACE}
        assert SECRET.encode() not in collector.raw
        for asked in door.fakes["one"].asked:
            assert not {"traceparent", "tracestate"} & {name.lower() for name in asked.headers}


async def test_a_knowledge_query_shows_embedding_vectors_and_statements(api: Api, collector: Collector) -> None:
    async with traces.open_traces(TelemetrySettings(otlp_endpoint=collector.url), role="serve"):
        await api.ask("POST", "/v1/knowledge/query", json={"query": f"why {SECRET}?"})
    root = collector.named("POST /v1/knowledge/query")
    tree = [span for span in collector.spans if span.trace_id == root.trace_id]
    assert {"embed", "vectors hybrid", "SELECT"} <= {span.name for span in tree}
    assert all(collector.ancestors(span)[-1] == root.name for span in tree if span is not root)
    assert SECRET.encode() not in collector.raw


async def test_prompts_stand_in_spans_only_where_that_is_asked_for_and_redacted(api: Api, collector: Collector) -> None:
    key = "AKIA" + "IOSFODNN7" + "EXAMPLF"
    async with open_door(api) as door, traces.open_traces(TelemetrySettings(otlp_endpoint=collector.url, content=True), role="serve"):
        await door.chat(f"a visible question with {key}")
    words = attributes(collector.named("engine chat"))["gen_ai.input.messages"]
    assert "a visible question" in words
    assert key not in words


async def test_an_error_is_told_by_its_class_and_not_by_its_words(api: Api, collector: Collector) -> None:
    async with open_door(api, limit_usd=0.0) as door, traces.open_traces(TelemetrySettings(otlp_endpoint=collector.url), role="serve"):
        assert (await door.chat(SECRET)).status == 402
    span = collector.named("engine chat")
    assert attributes(span)["error.type"] == "budget_exceeded"
    assert SECRET.encode() not in collector.raw


async def test_a_collectors_key_goes_to_the_collector(api: Api, collector: Collector) -> None:
    settings = TelemetrySettings.model_validate(
        {"otlp_endpoint": collector.url, "otlp_headers": "x-team=cairn, authorization=Bearer abc=="}
    )
    async with traces.open_traces(settings, role="serve"):
        await api.ask("GET", "/healthz")
    sent = {name.lower(): value for name, value in collector.headers[0].items()}
    assert (sent["x-team"], sent["authorization"]) == ("cairn", "Bearer abc==")


async def test_a_collector_that_is_away_is_in_nobodys_way(api: Api) -> None:
    async with patience(), traces.open_traces(TelemetrySettings(otlp_endpoint="http://127.0.0.1:9"), role="serve"):
        assert (await api.ask("GET", "/healthz")).status == 200


async def test_a_share_of_zero_sends_nothing_that_begins_here(api: Api, collector: Collector) -> None:
    async with traces.open_traces(TelemetrySettings(otlp_endpoint=collector.url, sample=0.0), role="serve"):
        await api.ask("GET", "/healthz")
    assert collector.spans == []


async def test_while_it_is_off_nothing_of_it_is_imported() -> None:
    code = "import sys, app.main, app.services.opening\nfrom app.telemetry import traces\nwith traces.span('x'): pass\nprint([m for m in sys.modules if m.startswith('opentelemetry')])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    loaded = out.decode().strip()
    assert "opentelemetry.sdk" not in loaded
    assert "opentelemetry.exporter" not in loaded
