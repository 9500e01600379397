"""What bad input gets: a clear error or a counted skip; nothing lost, nothing crashed."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import MAX_BODY_BYTES, MAX_UPLOAD_BYTES, Api, generic, lesson
from tests.waiting import patience

QUERY = "/v1/knowledge/query"
NOWHERE = "5f0c0000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "invalid_input", id="empty"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 8, "unknown_format", id="binary"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\x00" * 100, "unknown_format", id="picture"),
        pytest.param(b'{"name": "cairn", "version": "1.0", "dependencies": {}}', "unknown_format", id="package.json"),
        pytest.param(b"Dear diary, nothing happened today.\n", "unknown_format", id="prose"),
    ],
)
async def test_what_is_no_transcript_is_refused_with_the_reason(api: Api, body: bytes, code: str) -> None:
    refused = await api.ask("POST", "/v1/sessions", data=body)
    assert (refused.status, refused.error["code"]) == (422, code)
    assert len(refused.error["message"]) > 20


async def test_an_unknown_format_name_is_refused_and_the_field_named(api: Api) -> None:
    refused = await api.ask("POST", "/v1/sessions?format=word", data=lesson("x"))
    assert (refused.status, refused.error["param"]) == (422, "format")


async def test_truncated_json_is_counted_and_the_rest_is_read(api: Api) -> None:
    session = uuid4().hex
    job = await api.ingest(generic((f"{session}-1", "user", "x"), (f"{session}-2", "assistant", "y")) + '{"id": "c", "role": "us')
    assert job["state"] == "done"
    assert job["result"]["events"]["new"] == 2
    assert sum(job["result"]["skipped"].values()) == 1
    assert job["result"]["problems"][0]["locator"] == "L3"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
async def test_another_encoding_is_read(api: Api, encoding: str) -> None:
    session = uuid4().hex
    events = [{"id": f"{session}-{n}", "role": "user", "text": f"Größe prüfen, déjà vu {n}"} for n in range(3)]
    body = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events).encode(encoding)
    assert (await api.ingest(body))["result"]["events"]["new"] == 3


async def test_future_and_missing_times_do_no_harm(api: Api) -> None:
    future = (datetime.now(UTC) + timedelta(days=4000)).isoformat()
    session = f"times-{uuid4().hex}"
    times = (future, None, "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00Z", "2026-10-01T10:00:00+02:00")
    lines = "\n".join(json.dumps({"id": str(n), "role": "user", "text": "x", "timestamp": time}) for n, time in enumerate(times))
    sent = await api.ask("POST", f"/v1/sessions/{session}/events", data=lines)
    assert sent.json["accepted"] == 5, sent.text
    shown = (await api.ask("GET", f"/v1/sessions/{sent.json['session_id']}")).json
    assert shown["started_at"] == shown["ended_at"] == "2026-10-01T08:00:00Z"


async def test_a_line_of_many_megabytes_is_skipped_or_cut_and_counted(api: Api) -> None:
    session = uuid4().hex
    long = json.dumps({"id": f"{session}-2", "role": "assistant", "text": "word " * 600_000})
    job = await api.ingest(generic((f"{session}-1", "user", "x")) + long + "\n" + generic((f"{session}-3", "user", "y")))
    assert job["state"] == "done"
    assert job["result"]["events"]["new"] + sum(job["result"]["skipped"].values()) == 3


async def test_an_announced_upload_over_the_limit_is_refused_before_it_is_read(api: Api) -> None:
    body = (b'{"id": "a", "role": "user", "text": "x"}\n') * (MAX_UPLOAD_BYTES * 2 // 40)
    refused = await api.ask("POST", "/v1/sessions", data=io.BytesIO(body))
    assert (refused.status, refused.error["code"]) == (413, "too_large")


async def test_a_streamed_upload_over_the_limit_is_refused_and_nothing_stays(api: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_UPLOAD_BYTES * 4 // 65536):
            yield generic(("a", "user", "x" * 65_000)).encode()

    refused = await api.ask("POST", "/v1/sessions", data=endless())
    assert (refused.status, refused.error["code"]) == (413, "too_large")
    from tests.integration.api.test_api_sessions import uploads_waiting

    assert await uploads_waiting(api) == 0


async def test_any_other_body_over_its_limit_is_refused(api: Api) -> None:
    for options in ({"json": {"text": "x" * MAX_BODY_BYTES}}, {"data": chunked(b"x" * MAX_BODY_BYTES * 2)}):
        refused = await api.ask("POST", "/v1/redact", headers={"content-type": "application/json"}, **options)
        assert (refused.status, refused.error["code"]) == (413, "too_large")


async def test_a_client_that_hangs_up_leaves_nothing_behind(api: Api) -> None:
    async def cut_off() -> AsyncIterator[bytes]:
        yield generic(*((str(number), "user", "x" * 1000) for number in range(600))).encode()
        raise ConnectionResetError

    with pytest.raises(Exception):  # noqa: B017 - whatever the client library makes of our own error
        await api.ask("POST", "/v1/sessions", data=cut_off())
    from tests.integration.api.test_api_sessions import uploads_waiting

    async with patience():
        while await uploads_waiting(api):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": "x", "limit": 0}, "limit"),
        ({"query": "x", "limit": 1e9}, "limit"),
        ({"query": "x", "limit": 10**9}, "limit"),
        ({"query": "x", "limit": "10"}, "limit"),
        ({"query": "x", "limit": 500}, "limit"),
        ({"query": "x", "limit": True}, "limit"),
        ({"query": "x" * 100_000}, "query"),
        ({"query": ""}, "query"),
        ({"query": "   "}, "query"),
        ({"query": "a\x00b"}, "query"),
        ({"query": 7}, "query"),
        ({}, "query"),
        ({"query": "x", "types": ["nonsense"]}, "types.0"),
        ({"query": "x", "types": "gotcha"}, "types"),
        ({"query": "x", "min_score": 2}, "min_score"),
        ({"query": "x", "explain": "yes"}, "explain"),
        ({"query": "x", "mode": "guess"}, "mode"),
        ({"query": "x", "colour": "red"}, "colour"),
        ({"query": "x", "project": " "}, "project"),
    ],
)
async def test_a_query_with_a_wrong_field_names_it(api: Api, body: dict[str, Any], param: str) -> None:
    refused = await api.ask("POST", QUERY, json=body)
    assert (refused.status, refused.error["param"]) == (422, param), refused.text
    assert param.split(".", maxsplit=1)[0] in refused.error["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"query": "x"', 400),
        (b"\xff\xfe{", 400),
        (b'{"query": "\xff"}', 400),
        (b'{"query": "x", "min_score": NaN}', 422),
        (b'{"query": "x", "min_score": Infinity}', 422),
        (b"[" * 50_000, 400),
        (b'{"query": "x", "limit": ' + b"9" * 5000 + b"}", 400),
        (b"[]", 422),
        (b"null", 422),
        (b"", 422),
    ],
)
async def test_an_unreadable_query_is_refused(api: Api, body: bytes, status: int) -> None:
    refused = await api.ask("POST", QUERY, data=body, headers={"content-type": "application/json"})
    assert refused.status == status, refused.text
    assert refused.error["type"] == "invalid_request_error"


async def test_a_query_sent_as_text_is_told_the_content_type(api: Api) -> None:
    refused = await api.ask("POST", QUERY, data=b'{"query": "x"}', headers={"content-type": "text/plain"})
    assert refused.status == 422
    assert "application/json" in refused.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "param"),
    [
        ("GET", "/v1/sessions/not-a-uuid", 422, "session_id"),
        ("GET", f"/v1/sessions/{NOWHERE}", 404, None),
        ("GET", "/v1/sessions?limit=0", 422, "limit"),
        ("GET", "/v1/sessions?limit=1000000000", 422, "limit"),
        ("GET", "/v1/sessions?cursor=x", 422, "cursor"),
        ("GET", f"/v1/sessions?cursor={NOWHERE}", 422, "cursor"),
        ("GET", "/v1/sessions?project=a%00b", 422, "project"),
        ("POST", "/v1/sessions/a%00b/events", 422, "session"),
        ("GET", f"/v1/jobs/{NOWHERE}", 404, None),
        ("GET", f"/v1/knowledge/{NOWHERE}", 404, None),
        ("DELETE", f"/v1/knowledge/{NOWHERE}", 404, None),
        ("DELETE", f"/v1/keys/{NOWHERE}", 404, None),
        ("POST", "/v1/developers/nobody/keys", 404, None),
        ("POST", "/v1/developers/a%00b/keys", 422, "name"),
    ],
)
async def test_a_wrong_path_or_parameter_is_told(api: Api, method: str, path: str, status: int, param: str | None) -> None:
    refused = await api.ask(method, path)
    assert (refused.status, refused.error["param"]) == (status, param), refused.text


def chunked(body: bytes) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    return pieces()


async def test_a_head_without_end_is_refused_before_it_is_held(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: ")
    answered, sent = asyncio.create_task(reader.read()), 0
    while not answered.done() and sent < 20_000_000:
        writer.write(b"a" * 65_536)
        await writer.drain()
        sent += 65_536
        await asyncio.sleep(0)
    writer.close()
    assert sent < 20_000_000
    assert (await answered).startswith(b"HTTP/1.1 431 ")


async def test_what_is_no_http_is_refused_in_the_one_shape(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"NONSENSE\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert set(json.loads(body)["error"]) == {"message", "type", "code", "param", "request_id"}
