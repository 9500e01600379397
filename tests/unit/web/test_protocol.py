"""Deadlines and caps of connections, over a transport that only remembers: no socket, and time passes when the test says so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.web.connections import ConnectionLimits, Connections, mark_keyed, mark_keyless
from app.web.forwarded import TrustedProxies
from app.web.protocol import LINGER_BYTES, LINGER_SECONDS, Protocol
from app.web.refusals import MAX_PIPELINED, MAX_PIPELINED_KEYED

LIMITS = ConnectionLimits(
    header_seconds=10, body_seconds=30, body_bytes_per_second=500, write_seconds=30, idle_seconds=130, total=100, per_address=100
)
HALF = b"GET / HTTP/1.1\r\nhost: x\r\n"
WHOLE = HALF + b"\r\n"


class Transport(asyncio.Transport):
    def __init__(self, peer: str) -> None:
        super().__init__()
        self.peer = peer
        self.sent = b""
        self.writes = 0
        self.gone = False
        self.unsent = 0
        self.closed = self.released = self.aborted = False  # closed: the peer sees our end, whether or not it is still read

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self.peer, 4711), "sockname": ("127.0.0.1", 80)}.get(name, default)

    def write(self, data: Any) -> None:
        if self.gone or (self.closed and not self.released):
            raise RuntimeError("the handler is closed")  # as uvloop's; and as every loop's once our side has ended
        self.sent += bytes(data)
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.released

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = self.released = True

    def abort(self) -> None:
        self.closed = self.released = self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class App:
    """Reads the body, waits until it is let go, and answers. `keyed`, `keyless`: its verdict on the request's key; `early`: it refuses
    the body unread; `slowly`: it begins to answer before it waits.
    """

    def __init__(self) -> None:
        self.keyed = self.keyless = self.early = self.slowly = False
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.clients: list[Any] = []
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.clients.append((scope["client"][0], scope["scheme"]))
        if self.keyed:
            mark_keyed(scope)
        if self.keyless:
            mark_keyless(scope)
        if self.early:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2"), (b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b"no"})
            return
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left += 1
                return
            more = message["more_body"]
        started = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        if self.slowly:
            await send(started)
        await self.let_go.wait()
        if not self.slowly:
            await send(started)
        await send({"type": "http.response.body", "body": b"ok"})


class Bench:
    def __init__(self, limits: ConnectionLimits = LIMITS, proxies: str | None = None) -> None:
        self.app = App()
        self.config = Config(self.app, lifespan="off", ws="none", log_config=None, proxy_headers=False)
        self.state = ServerState()
        self.connections = Connections(limits)
        self.proxies = TrustedProxies([ip_network(proxies)] if proxies else [])
        self.now = asyncio.get_running_loop().time()

    def connect(self, peer: str = "198.51.100.1", *sent: bytes, age: float = 0) -> tuple[Protocol, Transport]:
        transport = Transport(peer)
        made = Protocol(self.config, self.state, {}, connections=self.connections, proxies=self.proxies)
        made.connection_made(transport)
        made.opened_at -= age
        for each in sent:
            made.data_received(each)
        return made, transport

    def pass_time(self, seconds: float, *, step: float = 1.0) -> None:
        while seconds > 0:
            self.now += step
            self.connections.sweep(min(step, seconds), self.now)
            seconds -= step


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_head_that_does_not_end_is_answered_with_408() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", HALF)
    bench.pass_time(9)
    assert not transport.closed
    protocol.data_received(b"x-more: 1\r\n")  # a trickle buys no time
    bench.pass_time(2)
    assert transport.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b'"code": "request_timeout"' in transport.sent
    assert b"connection: close" in transport.sent
    assert transport.closed


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    bench = Bench()
    _, transport = bench.connect()
    bench.pass_time(11)
    assert (transport.sent, transport.closed) == (b"", True)


async def test_bytes_between_requests_keep_no_connection_open() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    for _ in range(200):
        protocol.data_received(b"\r\n")  # no request begins; it only unsets uvicorn's own timer
        bench.pass_time(1)
    assert transport.closed


async def test_a_second_head_on_a_kept_connection_has_the_same_deadline() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200")
    bench.pass_time(100)
    protocol.data_received(HALF)
    bench.pass_time(9)
    assert not transport.closed
    bench.pass_time(2)
    assert b"HTTP/1.1 408" in transport.sent


async def test_a_body_of_one_byte_a_second_is_answered_with_408_and_the_application_hears_of_it() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
    await settled()
    for _ in range(32):
        protocol.data_received(b"x")
        bench.pass_time(1)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 408")
    assert b"500 bytes a second" in transport.sent
    assert bench.app.left == 1


async def test_a_slow_but_steady_body_takes_as_long_as_it_needs() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 720000\r\n\r\n")
    for _ in range(60):  # twenty minutes: silent for 20 s, then 12,000 bytes
        bench.pass_time(20)
        protocol.data_received(b"x" * 12_000)
        await settled()
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200")


async def test_a_body_that_we_do_not_read_yet_is_not_held_against_its_sender() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n")
    protocol.data_received(b"x" * 100_000)  # more than we hold: reading pauses before the application has run
    bench.pass_time(600)
    assert not transport.closed


async def test_who_waits_for_100_continue_waits_for_us() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n")
    bench.pass_time(600)
    assert not transport.closed


async def test_an_application_that_works_has_no_deadline() -> None:
    bench = Bench()
    bench.app.let_go.clear()
    _, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    bench.pass_time(3600)
    assert not transport.closed
    bench.app.let_go.set()
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200")


async def test_an_answer_that_is_never_read_is_cut() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", WHOLE)
    protocol.show_key()
    await settled()
    transport.unsent = 50_000
    bench.pass_time(20)
    transport.unsent = 40_000  # it moves
    bench.pass_time(29)
    assert not transport.aborted
    bench.pass_time(3)
    assert transport.aborted


async def test_a_closed_connection_whose_last_bytes_are_never_read_is_cut() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    transport.close()
    transport.unsent = 100
    bench.pass_time(32)
    assert transport.aborted


async def test_past_the_cap_of_all_the_one_that_waits_longest_without_a_key_goes() -> None:
    bench = Bench(replace(LIMITS, total=3))
    bench.app.keyed = True
    _, keyed = bench.connect("198.51.100.1", WHOLE)
    await settled()
    _, first = bench.connect("198.51.100.2", HALF)
    _, second = bench.connect("198.51.100.3", HALF)
    _, third = bench.connect("198.51.100.4", HALF)
    assert first.sent.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: " in first.sent
    assert not any(each.closed for each in (keyed, second, third))
    assert len(bench.connections) == 3


async def test_who_shows_a_key_late_goes_after_strangers_and_rests_before_working() -> None:
    bench = Bench(replace(LIMITS, total=2))
    bench.app.keyed = True
    _, resting = bench.connect("198.51.100.1", WHOLE)
    await settled()
    bench.app.let_go.clear()
    _, working = bench.connect("198.51.100.1", WHOLE)
    await settled()
    _, new = bench.connect("198.51.100.2")
    assert (resting.closed, working.closed, new.closed) == (True, False, False)


async def test_connections_of_strangers_that_rest_make_room_too() -> None:
    bench = Bench(replace(LIMITS, total=3))
    resting = []
    for number in range(3):
        resting.append(bench.connect(f"198.51.100.{number}", WHOLE)[1])
        await settled()
    for _ in range(2):
        bench.connect("203.0.113.1", WHOLE)
        await settled()
    assert [each.closed for each in resting] == [True, True, False]


async def test_an_answer_that_a_stranger_does_not_read_makes_room_too() -> None:
    bench = Bench(replace(LIMITS, total=1))
    protocol, unread = bench.connect("198.51.100.1", WHOLE)
    protocol.pause_writing()
    unread.unsent = 100_000
    _, new = bench.connect("203.0.113.1", WHOLE)
    await settled()
    assert unread.aborted
    assert new.sent.startswith(b"HTTP/1.1 200")


async def test_a_crowd_of_refused_connections_is_dropped_without_a_word() -> None:
    bench = Bench(replace(LIMITS, total=1))
    bench.app.let_go.clear()
    bench.connect("198.51.100.1", WHOLE)
    await settled()
    refused = [bench.connect("198.51.100.2")[1] for _ in range(150)]
    assert (refused[0].aborted, refused[-1].aborted) == (False, True)


async def test_where_all_are_at_work_the_new_one_is_told_to_come_again() -> None:
    bench = Bench(replace(LIMITS, total=1))
    bench.app.let_go.clear()
    bench.connect("198.51.100.1", WHOLE)
    await settled()
    _, refused = bench.connect("198.51.100.2", WHOLE)
    assert refused.sent.startswith(b"HTTP/1.1 503")
    assert b"server.max_connections" in refused.sent
    _, silent = bench.connect("198.51.100.3")
    bench.pass_time(3)
    assert silent.sent.startswith(b"HTTP/1.1 503")


async def test_past_the_cap_of_an_address_its_oldest_goes_and_no_other_address_suffers() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    _, other = bench.connect("203.0.113.1", HALF, age=60)
    held = [bench.connect("198.51.100.1", HALF, age=5)[1] for _ in range(4)]
    assert [each.closed for each in held] == [True, True, False, False]
    assert b"server.max_connections_per_address" in held[0].sent
    assert not other.closed


async def test_a_crowd_that_comes_at_once_is_let_in_and_brought_back_within_the_cap_a_second_later() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    held = [bench.connect("198.51.100.1", HALF)[1] for _ in range(10)]
    assert not any(each.closed for each in held)
    bench.pass_time(2)
    assert [each.closed for each in held] == [True] * 8 + [False] * 2


async def test_connections_that_showed_a_key_are_not_counted_by_address() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    bench.app.keyed = True
    held = []
    for _ in range(5):
        held.append(bench.connect("198.51.100.1", WHOLE, age=5)[1])
        await settled()
    bench.pass_time(5)
    assert not any(each.closed for each in held)


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_crowd_whose_keys_are_being_looked_up_is_not_refused(proxied: bool) -> None:
    bench = Bench(replace(LIMITS, per_address=2), proxies="10.0.0.0/8")
    bench.app.let_go.clear()
    sent = _forwarded("198.51.100.1") if proxied else WHOLE
    held = []
    for _ in range(20):
        held.append(bench.connect("10.0.0.1" if proxied else "198.51.100.1", sent, age=5))
        await settled()
    bench.pass_time(5)
    assert len(bench.app.clients) == 20
    for protocol, _ in held:
        protocol.show_key()
    bench.app.let_go.set()
    await settled()
    assert [each.sent[:12] for _, each in held] == [b"HTTP/1.1 200"] * 20


async def test_a_crowd_without_keys_is_brought_back_within_the_cap_once_that_is_known() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    bench.app.keyless = True
    held = [bench.connect("198.51.100.1", WHOLE, age=5)[1] for _ in range(20)]
    await settled()
    bench.pass_time(1)
    assert [each.sent[:12] for each in held] == [b"HTTP/1.1 200"] * 20
    assert [each.closed for each in held] == [True] * 18 + [False] * 2


async def test_requests_without_a_key_that_are_worked_on_count_by_address() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    bench.app.keyless = True
    bench.app.let_go.clear()
    held = []
    for _ in range(4):
        held.append(bench.connect("198.51.100.1", WHOLE, age=5)[1])
        await settled()
    bench.pass_time(3)
    assert [each.sent[:12] for each in held] == [b"", b"", b"HTTP/1.1 503", b"HTTP/1.1 503"]


async def test_the_head_of_an_answer_goes_out_with_its_body() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    assert transport.sent.endswith(b"\r\n\r\nok")
    assert transport.writes == 1


async def test_a_head_whose_body_takes_long_is_sent_before_it() -> None:
    bench = Bench()
    bench.app.slowly = True
    bench.app.let_go.clear()
    _, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200")
    assert transport.sent.endswith(b"\r\n\r\n")
    bench.app.let_go.set()
    await settled()
    assert transport.sent.endswith(b"\r\n\r\nok")


async def test_the_answer_to_a_head_request_ends_its_connection_with_its_head_sent() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200")
    assert transport.released


async def test_an_answer_that_has_begun_without_a_verdict_counts_by_address() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    bench.app.slowly = True
    bench.app.let_go.clear()
    for _ in range(2):
        bench.connect("198.51.100.1", WHOLE, age=5)
    await settled()
    bench.pass_time(1)
    _, refused = bench.connect("198.51.100.1", WHOLE)
    assert refused.sent.startswith(b"HTTP/1.1 503")


async def test_a_request_whose_body_does_not_come_counts_by_address() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    held = [bench.connect("198.51.100.1", SENDING, age=5)[1] for _ in range(4)]
    await settled()
    assert [each.closed for each in held] == [True, True, False, False]


async def test_a_connection_that_is_lost_before_the_verdict_is_forgotten() -> None:
    bench = Bench(replace(LIMITS, per_address=2))
    bench.app.keyless = True
    bench.app.let_go.clear()
    for _ in range(5):
        protocol, _ = bench.connect("198.51.100.1", WHOLE)
        protocol.connection_lost(None)
        protocol.miss_key()
    await settled()
    assert len(bench.connections) == 0
    _, one = bench.connect("198.51.100.1", WHOLE, age=5)
    _, two = bench.connect("198.51.100.1", WHOLE, age=5)
    bench.app.let_go.set()
    await settled()
    assert [each.sent[:12] for each in (one, two)] == [b"HTTP/1.1 200"] * 2


async def test_behind_a_trusted_proxy_the_forwarded_address_is_the_one_that_counts() -> None:
    bench = Bench(replace(LIMITS, per_address=2), proxies="10.0.0.0/8")
    bench.app.keyless = True
    bench.app.let_go.clear()
    for number in range(6):
        bench.connect("10.0.0.1", _forwarded(f"198.51.100.{number}"), age=5)
        await settled()
    assert bench.app.clients == [(f"198.51.100.{number}", "https") for number in range(6)]
    held = []
    for _ in range(4):
        held.append(bench.connect("10.0.0.1", _forwarded("203.0.113.7"), age=5)[1])
        await settled()
    assert [each.sent[:12] for each in held] == [b"", b"", b"HTTP/1.1 503", b"HTTP/1.1 503"]
    bench.app.let_go.set()
    await settled()
    again = bench.connect("10.0.0.1", _forwarded("203.0.113.7"))[1]
    await settled()
    assert again.sent.startswith(b"HTTP/1.1 200")


async def test_what_a_stranger_forwards_is_not_believed() -> None:
    bench = Bench(proxies="10.0.0.0/8")
    bench.connect("198.51.100.1", _forwarded("203.0.113.7"))
    await settled()
    assert bench.app.clients == [("198.51.100.1", "http")]


async def test_a_stream_that_shows_a_key_outlasts_every_deadline() -> None:
    bench = Bench(replace(LIMITS, total=2, per_address=1))
    bench.app.keyed = True
    bench.app.let_go.clear()
    _, stream = bench.connect("198.51.100.1", WHOLE, age=1000)
    await settled()
    for _ in range(20):
        bench.connect("198.51.100.1", HALF, age=5)
        bench.pass_time(60)
    assert not stream.closed


async def test_a_stranger_who_pipelines_past_the_bound_is_refused_and_nothing_is_started() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", WHOLE * 200)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 503 ")
    assert transport.sent.count(b"HTTP/1.1") == 1
    assert b'"code": "too_many_pipelined"' in transport.sent
    assert (transport.closed, bench.app.clients) == (True, [])


async def test_requests_pipelined_within_the_bound_are_all_answered() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", WHOLE * (1 + MAX_PIPELINED))
    for _ in range(MAX_PIPELINED):
        await settled()
    assert transport.sent.count(b"HTTP/1.1 200") == 1 + MAX_PIPELINED
    assert not transport.closed


@pytest.mark.parametrize("chunk", [1, 3, 50])
async def test_the_bound_counts_whatever_pieces_the_requests_come_in(chunk: int) -> None:
    bench = Bench()
    bench.app.let_go.clear()
    protocol, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    for _ in range(0, 60, chunk):
        protocol.data_received(WHOLE * chunk)
        await settled()
    assert (transport.aborted, transport.sent) == (True, b"")  # a 503 would be taken for the first one's answer
    assert len(bench.app.clients) == 1
    bench.app.let_go.set()
    await settled()
    assert len(bench.app.clients) == 1


async def test_a_connection_that_showed_a_key_may_pipeline_more_but_not_without_end() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    protocol.show_key()
    protocol.data_received(WHOLE * (1 + MAX_PIPELINED_KEYED))
    for _ in range(MAX_PIPELINED_KEYED):
        await settled()
    assert transport.sent.count(b"HTTP/1.1 200") == 2 + MAX_PIPELINED_KEYED
    protocol.data_received(WHOLE * (2 + MAX_PIPELINED_KEYED))
    assert transport.closed


async def test_who_does_not_read_an_answer_has_no_further_request_started_until_it_is_read() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", WHOLE * 3)
    protocol.pause_writing()  # the first answer fills the buffers
    await settled()
    assert len(bench.app.clients) == 1
    protocol.resume_writing()
    await settled()
    assert len(bench.app.clients) == 3
    assert transport.sent.count(b"HTTP/1.1 200") == 3


async def test_an_answer_that_is_not_read_delays_a_request_that_comes_after_it_too() -> None:
    bench = Bench()
    protocol, transport = bench.connect("198.51.100.1", WHOLE)
    await settled()
    protocol.pause_writing()
    protocol.data_received(WHOLE)
    await settled()
    assert len(bench.app.clients) == 1
    transport.unsent = 100
    bench.pass_time(32)
    assert transport.aborted  # and the delayed one keeps no connection open
    protocol.connection_lost(None)
    await settled()
    assert len(bench.app.clients) == 1


async def test_a_request_whose_connection_is_lost_before_its_turn_is_not_started() -> None:
    bench = Bench()
    protocol, _ = bench.connect("198.51.100.1", WHOLE * 4)
    protocol.connection_lost(ConnectionResetError())
    await settled()
    assert bench.app.clients == []


@pytest.mark.parametrize("cause", ["lost", "cut", "garbage"])
async def test_an_answer_to_a_connection_that_is_gone_is_dropped_and_no_failure_logged(
    cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    bench.app.let_go.clear()
    protocol, transport = bench.connect("198.51.100.1", WHOLE * 3)
    await settled()
    if cause == "cut":
        bench.connections.cut(protocol, "answer_unread")
    elif cause == "garbage":
        protocol.data_received(b"\x00\x01")
    protocol.connection_lost(None)
    transport.gone = True
    bench.app.let_go.set()
    await settled()
    assert len(bench.app.clients) == 1
    assert "Exception in ASGI application" not in caplog.text


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n", b"\x00" * 50])
async def test_garbage_is_answered_with_400_and_closed(garbage: bytes) -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", garbage)
    assert transport.sent.startswith(b"HTTP/1.1 400")
    assert transport.closed


SENDING = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"


async def lingering(bench: Bench) -> tuple[Protocol, Transport]:
    """A connection that was answered with 408 while its client was still sending."""
    protocol, transport = bench.connect("198.51.100.1", SENDING)
    await settled()
    bench.pass_time(LIMITS.body_seconds)
    assert transport.sent.startswith(b"HTTP/1.1 408")
    assert (transport.closed, transport.released) == (True, False)
    return protocol, transport


async def test_who_is_cut_while_sending_is_read_on_for_a_bounded_time() -> None:
    bench = Bench()
    protocol, transport = await lingering(bench)
    answer = transport.sent
    for _ in range(int(LINGER_SECONDS) - 1):
        protocol.data_received(WHOLE)  # dropped: no request begins, and it buys no time
        bench.pass_time(1)
    assert not transport.released
    bench.pass_time(2)
    assert (transport.released, transport.aborted, transport.sent) == (True, False, answer)
    await settled()
    assert len(bench.app.clients) == 1


async def test_who_is_cut_while_sending_is_read_on_for_a_bounded_number_of_bytes() -> None:
    protocol, transport = await lingering(Bench())
    piece = bytes(2**20)
    for _ in range(LINGER_BYTES // len(piece)):
        protocol.data_received(piece)
    assert not transport.released
    protocol.data_received(piece)
    assert transport.released


async def test_an_answer_before_the_end_of_its_request_is_read_on_too_where_it_ends_the_connection() -> None:
    bench = Bench()
    bench.app.early = True
    protocol, transport = bench.connect("198.51.100.1", SENDING)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 413")
    assert (transport.closed, transport.released) == (True, False)
    protocol.data_received(b"x" * 100_000 + WHOLE)
    await settled()
    assert (transport.sent.count(b"HTTP/1.1"), len(bench.app.clients)) == (1, 1)
    bench.pass_time(LINGER_SECONDS + 1)
    assert transport.released


async def test_an_answer_to_a_whole_request_closes_at_once() -> None:
    bench = Bench()
    _, transport = bench.connect("198.51.100.1", HALF + b"connection: close\r\n\r\n")
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200")
    assert transport.released


async def test_of_two_requests_the_one_that_ends_the_connection_is_the_last_that_is_started() -> None:
    bench = Bench()
    bench.app.let_go.clear()
    _, transport = bench.connect("198.51.100.1", HALF + b"connection: close\r\n\r\n" + SENDING)
    await settled()
    bench.app.let_go.set()
    await settled()
    assert (transport.sent.count(b"HTTP/1.1"), len(bench.app.clients), transport.closed) == (1, 1, True)


async def test_a_stop_waits_for_nobody_who_has_an_answer() -> None:
    protocol, transport = await lingering(Bench())
    protocol.shutdown()
    assert transport.released


async def test_garbage_after_an_answer_is_not_answered_again() -> None:
    protocol, transport = await lingering(Bench())
    protocol.data_received(b"\x16\x03\x01")
    protocol.send_400_response("Invalid HTTP request received.")
    assert transport.sent.count(b"HTTP/1.1") == 1


async def test_an_answer_that_is_not_read_while_its_connection_lingers_is_cut() -> None:
    bench = Bench(replace(LIMITS, write_seconds=3))
    _, transport = await lingering(bench)
    transport.unsent = 500
    bench.pass_time(5)
    assert transport.aborted


async def test_only_so_many_are_read_on_and_they_count_towards_no_cap() -> None:
    bench = Bench(replace(LIMITS, total=80, per_address=80))
    made = [bench.connect("198.51.100.1", SENDING) for _ in range(30)]
    await settled()
    bench.pass_time(LIMITS.body_seconds)
    assert [each.released for _, each in made] == [False] * 10 + [True] * 20
    assert len(bench.connections) == 0
    for protocol, _ in made:
        protocol.connection_lost(None)
    _, another = await lingering(bench)
    assert not another.released


def _forwarded(address: str) -> bytes:
    return f"GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {address}\r\nx-forwarded-proto: https\r\n\r\n".encode()
