"""The command line's client on the wire: what it sends, streams, is refused, and how it ends."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web

from app.cli.client import connect
from app.cli.exits import ServerRefused, Unreachable


class Recorder:
    """A server that records requests; `stop`: it answers nothing until then."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.stop = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/hangs"):
            await self.stop.wait()
        if request.path.endswith("/early"):
            body = {"error": {"message": "Too large.", "code": "too_large", "request_id": "r1"}}
            return web.json_response(body, status=413, headers={"connection": "close"})
        self.asked.append(
            (request.method, request.path_qs, {name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        if request.path.endswith("/lines"):
            reply = web.StreamResponse()
            await reply.prepare(request)
            for number in range(3):
                await reply.write(json.dumps({"n": number}).encode() + b"\n\n")
            return reply
        return (
            web.json_response({"job_id": "j1"} if request.method == "POST" else {"ok": True})
            if request.method != "DELETE"
            else web.Response(status=204)
        )


@pytest.fixture
async def served() -> AsyncIterator[tuple[str, Recorder]]:
    recorder = Recorder()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", recorder.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    site = web.SockSite(runner, listener)
    await site.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", recorder
    recorder.stop.set()
    await runner.cleanup()


async def test_requests_carry_key_team_path_and_parameters(served: tuple[str, Recorder]) -> None:
    url, recorder = served
    async with connect(f"{url}/behind/", "k", team="core") as client:
        assert await client.get("/v1/x", limit=3, project="Läden & Co", until=None) == {"ok": True}
        assert await client.post("/v1/y", {"a": "ü"}, headers={"x-more": "1"}) == {"job_id": "j1"}
        assert await client.delete("/v1/z") == {}
    (get, post, _) = recorder.asked
    assert get[:2] == ("GET", "/behind/v1/x?limit=3&project=L%C3%A4den+%26+Co")
    assert (get[2]["authorization"], get[2]["x-cairn-team"]) == ("Bearer k", "core")
    assert (json.loads(post[3]), post[2]["x-more"], post[2]["content-type"]) == ({"a": "ü"}, "1", "application/json")


async def test_an_upload_streams_its_chunks(served: tuple[str, Recorder]) -> None:
    url, recorder = served

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000
            await asyncio.sleep(0)

    async with connect(url, "k") as client:
        assert await client.upload(chunks(), name="ä.jsonl", project="p", format="auto") == "j1"
    ((method, path, headers, body),) = recorder.asked
    assert (method, path, len(body)) == ("POST", "/v1/sessions?project=p&format=auto", 4_000_000)
    assert headers["x-filename"] == "%C3%A4.jsonl"


async def test_lines_come_one_after_the_other(served: tuple[str, Recorder]) -> None:
    async with connect(served[0], "k") as client:
        assert [each async for each in client.lines("/lines")] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_a_refusal_that_comes_before_the_body_was_read_is_told(served: tuple[str, Recorder]) -> None:
    async with connect(served[0], "k") as client:
        with pytest.raises(ServerRefused, match="Too large") as refusal:
            await client.post("/early", {"a": "x" * 30_000_000})
    assert refusal.value.status == 413


async def test_an_interrupted_request_ends_at_once(served: tuple[str, Recorder]) -> None:
    async with connect(served[0], "k") as client:
        asking = asyncio.create_task(client.get("/hangs"))
        await asyncio.sleep(0.2)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


def closed() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("url", ["", "http://", "http://[", "http://127.0.0.1:x", "http://127.0.0.1:0", "nonsense", "http://a b/"])
async def test_an_address_that_leads_nowhere_is_told(url: str) -> None:
    for each in [url] if url else closed():
        async with connect(each, "k") as client:
            with pytest.raises(Unreachable, match="CAIRN_URL"):
                await client.get("/x")


async def test_what_is_no_http_is_told() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "k") as client:
        with pytest.raises(Unreachable):
            await client.get("/x")
