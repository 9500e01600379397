"""Health, metrics, request ids, the router's errors, the index's rebuild, and the OpenAPI page."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from app.errors import DatabaseUnavailable
from app.part import Condition, Loop, Part, ReadinessCheck
from app.supervision import MAX_FAILURES, LoopHealth, Supervisor
from tests.integration.api.conftest import Api, lesson, serving
from tests.waiting import patience

OPEN = {"/", "/v1", "/healthz", "/readyz", "/api/hello", "/v1/invitations/accept", "/v1/webhooks/git"}


async def test_alive_and_ready_need_no_key(api: Api) -> None:
    assert (await api.ask("GET", "/healthz", key=None)).json == {"status": "ok"}
    ready = await api.ask("GET", "/readyz", key=None)
    assert ready.status == 200
    assert ready.json == {"status": "ok", "database": "ok", "disk": "ok", "vectors": "ok", "embeddings": "ok", "worker": "ok"}


async def test_a_part_that_came_new_is_told_as_all_others_are(api: Api) -> None:
    async def condition() -> Condition:
        return Condition("degraded", "A cage stands open: close it.")

    before = api.app.state.services
    zoo = Part(name="zoo", ready=[ReadinessCheck("cages", condition)])
    api.app.state.services = replace(before, parts=[*before.parts, zoo])
    try:
        ready = await api.ask("GET", "/readyz", key=None)
        assert (ready.status, ready.json["status"], ready.json["cages"]) == (200, "degraded", "degraded")
        assert ready.json["reasons"] == {"cages": "A cage stands open: close it."}
        assert 'cairn_up{dependency="cages"} 0.5' in (await api.ask("GET", "/metrics")).text
    finally:
        api.app.state.services = before


async def test_background_work_that_fails_again_and_again_is_told_and_else_left_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the server's own supervisor and a loop that it runs already."""
    alerts = api.services.monitoring.alerts
    health = LoopHealth(Loop(name="zoo.feeding", step=alerts.firing, pause=1.0, meanwhile="The animals are hungry."))
    for _ in range(MAX_FAILURES):
        health.failed(DatabaseUnavailable("PostgreSQL does not answer."))
    monkeypatch.setattr(Supervisor, "degraded", property(lambda self: [health]))
    ready = (await api.ask("GET", "/readyz", key=None)).json
    assert (ready["status"], ready["loops"], ready["database"]) == ("degraded", "degraded", "ok")
    assert "The animals are hungry." in ready["reasons"]["loops"]
    page = (await api.ask("GET", "/metrics")).text
    assert 'cairn_up{dependency="loops"} 0.5' in page
    monkeypatch.undo()
    assert "loops" not in (await api.ask("GET", "/readyz", key=None)).json
    assert 'cairn_up{dependency="loops"} 1.0' in (await api.ask("GET", "/metrics")).text


async def test_what_fails_in_the_embedded_worker_is_told_by_its_server(api: Api) -> None:
    """The worker writes it where the server looks; the next time that it writes, nothing fails."""
    file, said = api.services.folder.worker_alive, "knowledge.feed failed 7 times in a row."

    async def worker() -> tuple[str, str | None]:
        ready = (await api.ask("GET", "/readyz", key=None)).json
        return ready["worker"], ready.get("reasons", {}).get("worker")

    async with patience():
        while await worker() != ("degraded", said):
            await asyncio.to_thread(file.write_text, said)
        while await worker() != ("ok", None):
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def newest(short_folder: Path) -> AsyncIterator[Api]:
    """The server that opened last. Measures are the process's: another test's server takes its loops' away when it closes."""
    async with serving(short_folder / "newest") as made:
        yield made


async def test_every_loop_of_a_server_is_measured_by_its_name(newest: Api) -> None:
    names = (
        "alerts.rollups",
        "alerts.samples",
        "alerts.budgets",
        "alerts.series",
        "budget.hold_sweeper",
        "cache.warmup.completions",
        "cache.warmup.embeddings",
        "knowledge.unanswered",
        "knowledge.reindexing",
        "queue.messages.listen",
        "queue.messages.poll",
        "storage.invalidations",
    )
    async with patience():  # a loop is up from its first turn on
        while await _loops_not_up(newest, names):
            await asyncio.sleep(0.05)


async def _loops_not_up(api: Api, names: Sequence[str]) -> set[str]:
    page = (await api.ask("GET", "/metrics")).text
    return {name for name in names if f'cairn_loop_up{{loop="{name}"}} 1.0' not in page}


async def test_the_metrics_count_what_happened(api: Api) -> None:
    await api.ask("POST", "/v1/knowledge/query", json={"query": "anything at all"})
    page = await api.ask("GET", "/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for measured in (
        'cairn_http_requests_total{method="POST",route="/v1/knowledge/query",status="200"}',
        'cairn_http_request_seconds_bucket{le="0.015",method="POST",route="/v1/knowledge/query"}',
        'cairn_jobs{state="done"}',
        'cairn_database_pool{kind="size"} 20.0',
        "cairn_knowledge_items ",
        'cairn_vector_points{kind="all"}',
        'cairn_up{dependency="database"} 1.0',
    ):
        assert measured in page.text, measured


async def test_a_path_of_many_names_is_one_metric(api: Api) -> None:
    for _ in range(3):
        await api.ask("GET", f"/v1/sessions/{uuid4()}")
        await api.ask("GET", f"/{uuid4()}")
    routes = set(re.findall(r'route="([^"]*)"', (await api.ask("GET", "/metrics")).text))
    assert "/v1/sessions/{session_id}" in routes
    assert not [route for route in routes if re.search("[0-9a-f]{8}-", route)]


async def test_a_request_id_is_taken_or_made(api: Api) -> None:
    given = await api.ask("GET", "/healthz", headers={"x-request-id": "ide-4711.a:b_c"})
    assert given.headers["x-request-id"] == "ide-4711.a:b_c"
    for offered in ("has space", "x" * 129, 'a"b', "ä"):
        made = await api.ask("GET", "/healthz", headers={"x-request-id": offered})
        assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])


async def test_the_router_answers_in_the_same_shape(api: Api) -> None:
    assert (await api.ask("GET", "/v2/anything")).error["code"] == "not_found"
    refused = await api.ask("PUT", "/v1/teams")
    assert (refused.status, refused.error["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} >= set(refused.headers["allow"].split(", "))


async def test_a_route_of_later_does_not_exist_yet(api: Api) -> None:
    assert (await api.ask("GET", "/v1/features")).status == 404


@pytest.mark.long
async def test_a_rebuild_tells_its_progress_and_loses_nothing(api: Api) -> None:
    topic = f"svc{uuid4().hex[:8]}"
    await api.ingest(lesson(topic))
    rebuilt = await api.ask("POST", "/v1/index/rebuild")
    lines = [json.loads(line) for line in rebuilt.text.splitlines()]
    assert set(lines[0]) == {"done", "total"}
    assert lines[-1]["points"] == (await api.services.vectors.status()).points
    found = await api.ask("POST", "/v1/knowledge/query", json={"query": f"keepalive_{topic}"})
    assert topic in found.json["results"][0]["text"]


async def test_every_route_is_documented_with_examples_and_errors(api: Api) -> None:
    page = (await api.ask("GET", "/openapi.json", key=None)).json
    assert page["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, methods in page["paths"].items():
        for method, route in methods.items():
            assert route["summary"], path
            assert route["tags"], path
            if path in OPEN:
                continue
            assert route["security"] == [{"key": []}], path
            assert {"401", "403"} <= set(route["responses"]), path
            if "422" in route["responses"]:
                schema = route["responses"]["422"]["content"]["application/json"]["schema"]
                shape = "AnthropicErrorReply" if path.startswith("/v1/messages") else "ErrorReply"
                assert schema == {"$ref": f"#/components/schemas/{shape}"}, path
            if "requestBody" in route:
                assert "example" in json.dumps(_body(page, route)), (method, path)


def _body(page: dict[str, object], route: dict[str, dict[str, object]]) -> object:
    """A request's body with the schema that it refers to."""
    text = json.dumps(route["requestBody"])
    named = re.search(r"#/components/schemas/(\w+)", text)
    return [text, page["components"]["schemas"][named[1]]] if named else text  # type: ignore[index]


async def test_the_alerts_say_every_rules_value_and_only_to_the_admin(api: Api) -> None:
    found = (await api.ask("GET", "/v1/alerts")).json
    assert set(found) == {"firing", "over", "rules", "recommendations"}
    assert {"inference_slow", "memory_full", "disk_full", "queue_stuck"} <= {each["rule"] for each in found["rules"]}
    assert (await api.ask("GET", "/v1/alerts", key=await api.developer())).status == 403
