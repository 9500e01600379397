"""Connections that are held open, over real sockets: each ends with its deadline, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.accounts.requester import Requester
from app.web import request_middleware
from app.web.refusals import MAX_PIPELINED, MAX_PIPELINED_KEYED
from tests.integration.api.conftest import Api, generic, serving
from tests.performance.measure_connections import HALF
from tests.running import running
from tests.waiting import PATIENCE_SECONDS, patience

pytestmark = pytest.mark.long

BOUNDS = {
    "header_timeout_seconds": 1,
    "body_timeout_seconds": 1.5,
    "min_body_bytes_per_second": 1000,
    "write_timeout_seconds": 1,
}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
async def tight(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "tight", server=BOUNDS) as made:
        yield made


@pytest.fixture(scope="module")
async def capped(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / "capped", server={"max_connections_per_address": 5, "header_timeout_seconds": 600}) as made:
        yield made


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[Streams]:
    place = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes."""
    async with patience():
        return await reader.read()


def problem(answer: bytes, status: int) -> dict[str, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer[:300]
    return json.loads(body)["error"]  # type: ignore[no-any-return]


async def cuts(api: Api, reason: str) -> float:
    page = (await api.ask("GET", "/metrics")).text
    name = f'cairn_connections_cut_total{{reason="{reason}"}} '
    return sum(float(line.removeprefix(name)) for line in page.splitlines() if line.startswith(name))


async def counted(api: Api, route: str) -> float:
    """How many requests of a route were started and have ended."""
    page = (await api.ask("GET", "/metrics")).text
    lines = [line for line in page.splitlines() if line.startswith("cairn_http_requests_total{") and f'route="{route}"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def test_a_half_sent_head_is_answered_with_408_and_counted(tight: Api) -> None:
    before = await cuts(tight, "head_slow")
    async with connected(tight) as (reader, writer):
        writer.write(HALF)
        assert problem(await rest(reader), 408)["code"] == "request_timeout"
    assert await cuts(tight, "head_slow") == before + 1


async def test_a_body_of_one_byte_at_a_time_is_answered_with_408(tight: Api) -> None:
    async with connected(tight) as (reader, writer):
        writer.write(b"POST /v1/redact HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        answered = asyncio.create_task(rest(reader))
        while not answered.done():
            writer.write(b"{")
            await asyncio.wait([answered], timeout=0.2)
        assert "1000 bytes a second" in problem(answered.result(), 408)["message"]


SENDING = (
    "POST /v1/redact HTTP/1.1\r\nhost: x\r\nauthorization: Bearer KEY\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{{"
)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (SENDING.format(100_000), 408, "request_timeout"),
        (SENDING.format(99_000_000), 413, "too_large"),
        ("\x16\x03\x01\x02", 400, "unreadable"),
        (f"GET /healthz HTTP/1.1\r\nx: {'x' * 400_000}", 431, "unreadable"),
    ],
    ids=["body too slow", "body too large", "garbage", "head too large"],
)
async def test_a_client_that_sends_on_after_its_answer_and_reads_late_still_has_it(
    tight: Api, monkeypatch: pytest.MonkeyPatch, sent: str, status: int, code: str
) -> None:
    monkeypatch.setattr(request_middleware, "DRAIN_SECONDS", 0.1)
    place, loop, answer = urlsplit(tight.url), asyncio.get_running_loop(), b""
    with socket.socket() as client:
        client.setblocking(False)
        async with patience():
            await loop.sock_connect(client, (place.hostname, place.port))
            await loop.sock_sendall(client, sent.replace("KEY", tight.key).encode("latin-1"))
            while not has_come(client):
                await asyncio.sleep(0.05)
            for _ in range(3):  # to a closed socket: reset, and what wasn't read is lost
                await loop.sock_sendall(client, b"x" * 1000)
                await asyncio.sleep(0.05)
            while more := await loop.sock_recv(client, 65536):
                answer += more
    assert problem(answer, status)["code"] == code


def has_come(client: socket.socket) -> bool:
    """Whether something can be read, without reading it."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


async def test_a_slow_but_steady_upload_is_taken(tight: Api) -> None:
    transcript = generic(*((f"s-{number}", "user", "word " * 40) for number in range(60))).encode()
    async with connected(tight) as (reader, writer):
        head = f"POST /v1/sessions?project=slow HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tight.key}\r\n"
        writer.write(f"{head}connection: close\r\ncontent-length: {len(transcript)}\r\n\r\n".encode())
        for start in range(0, len(transcript), 800):  # 4,000 bytes a second, for twice as long as a body may pause
            writer.write(transcript[start : start + 800])
            await writer.drain()
            await asyncio.sleep(0.2)
        assert (await rest(reader)).startswith(b"HTTP/1.1 202")


async def test_an_answer_that_nobody_reads_is_cut(tight: Api) -> None:
    before, place = await cuts(tight, "answer_unread"), urlsplit(tight.url)
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect((place.hostname, place.port))
        silent.setblocking(False)
        loop, ask = asyncio.get_running_loop(), f"GET %s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {tight.key}\r\n\r\n"
        await loop.sock_sendall(silent, (ask % "/v1/models").encode())
        assert (await loop.sock_recv(silent, 12)) == b"HTTP/1.1 200"  # the key is shown: more may wait on this connection
        await loop.sock_sendall(silent, (ask % "/openapi.json").encode() * MAX_PIPELINED_KEYED)  # megabytes of answers
        async with patience():
            while await cuts(tight, "answer_unread") == before:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("path", ["/openapi.json", "/healthz", "/docs"])
async def test_strangers_who_pipeline_and_never_read_start_nothing_and_nobody_waits(tight: Api, path: str) -> None:
    connections, asks = 60, f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * 100
    place, loop = urlsplit(tight.url), asyncio.get_running_loop()
    assert (await tight.ask("GET", path, key=None)).status == 200
    before, answered = await cuts(tight, "too_many_pipelined"), await counted(tight, path)
    assert answered > 0
    with ExitStack() as held:
        for _ in range(connections):
            silent = held.enter_context(socket.socket())
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.setblocking(False)
            await loop.sock_connect(silent, (place.hostname, place.port))
            await loop.sock_sendall(silent, asks)
        async with patience():
            assert (await tight.ask("GET", "/readyz", key=None)).status == 200
            assert (await tight.ask("GET", "/v1/models")).status == 200
            while await cuts(tight, "too_many_pipelined") < before + connections:
                await asyncio.sleep(0.1)
        # What a segment of the network holds may be started before the next one comes; of 6,000 asked for, a handful a connection at most.
        assert await counted(tight, path) - answered <= connections * (1 + MAX_PIPELINED)


async def test_an_address_with_too_many_is_brought_back_to_its_cap_and_still_answered(capped: Api) -> None:
    async with AsyncExitStack() as held:
        streams = [await held.enter_async_context(connected(capped)) for _ in range(20)]
        for _, writer in streams:
            writer.write(HALF)
        assert (await capped.ask("GET", "/healthz", key=None)).status == 200
        assert (await capped.ask("GET", "/v1/models")).status == 200
        assert problem(await rest(streams[0][0]), 503)["code"] == "too_many_connections"
        assert not streams[-1][0].at_eof()


CROWD = 400
"""Callers who come in the same instant, from one address: more than `max_connections_per_address`, which is 256."""


async def crowd(api: Api, held: AsyncExitStack, count: int, header: str = "") -> list[Streams]:
    """Open a connection for each of them, which sends its request as soon as it is open."""

    async def come() -> Streams:
        streams = await held.enter_async_context(connected(api))
        streams[1].write(f"GET /v1/models HTTP/1.1\r\nhost: x\r\n{header}\r\n".encode())
        return streams

    return await asyncio.gather(*(come() for _ in range(count)))


async def statuses(streams: list[Streams]) -> Counter[bytes]:
    async with patience():
        return Counter([(await reader.readline())[9:12] for reader, _ in streams])


async def test_a_crowd_whose_good_keys_are_being_looked_up_is_answered(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key, accounts, here, looked_up = await api.developer(), api.services.accounts, asyncio.Semaphore(0), asyncio.Event()
    authenticate, streams = accounts.authenticate, list[Streams]()

    async def once_all_are_here(key: str) -> Requester:
        here.release()
        await looked_up.wait()
        return await authenticate(key)

    async with AsyncExitStack() as held, patience():
        with monkeypatch.context() as patched:
            patched.setattr(accounts, "authenticate", once_all_are_here)
            for part in (CROWD - 100, 100):  # the second comes while all others are at work
                streams += await crowd(api, held, part, f"authorization: Bearer {key}\r\n")
                for _ in range(part):
                    await here.acquire()
            looked_up.set()
        assert await statuses(streams) == {b"200": CROWD}


async def test_a_crowd_without_keys_is_answered_and_brought_back_to_its_cap(api: Api) -> None:
    before = await cuts(api, "too_many_of_address")
    async with AsyncExitStack() as held:
        streams = await crowd(api, held, CROWD)
        assert set(await statuses(streams)) <= {b"401", b"503"}
        async with patience():
            while await cuts(api, "too_many_of_address") - before < CROWD - 256:
                await asyncio.sleep(0.1)
        assert (await api.ask("GET", "/v1/models")).status == 200


async def test_a_stream_with_a_key_outlasts_the_deadlines(tight: Api) -> None:
    path = f"{tight.url}/v1/channels/late/stream?group=g&consumer=c"
    async with tight.http.get(path, headers={"authorization": f"Bearer {tight.key}"}) as stream, patience():
        await asyncio.sleep(4)  # twice every deadline
        assert (await tight.ask("POST", "/v1/channels/late/messages", json={"type": "t", "payload": "here"})).status == 201
        async for line in stream.content:
            if b'"here"' in line:
                break
        else:
            pytest.fail("the stream was cut")


def test_more_half_sent_heads_than_files_leave_the_server_answering(tmp_path: Path) -> None:
    with running(tmp_path / "data", open_files=400) as server:
        place = urlsplit(server.url)
        held = [socket.create_connection((place.hostname or "", place.port or 0), timeout=PATIENCE_SECONDS) for _ in range(500)]
        try:
            for each in held:
                each.sendall(HALF)
            assert server.get("/healthz")
            assert server.get("/v1/models")["data"]
            assert 'cairn_connections_cut_total{reason="too_many"}' in server.text("/metrics")
        finally:
            for each in held:
                each.close()
