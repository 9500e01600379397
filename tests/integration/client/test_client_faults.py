"""The Python client and a server that fails, lies or is something else: over real sockets, by both faces."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from cairn.client import (
    AsyncClient,
    BudgetExceeded,
    CairnError,
    ConnectionLost,
    JobFailed,
    NotConfigured,
    NotFound,
    QueryReply,
    RateLimited,
    Refused,
    Sentence,
    ServerFailed,
    TimedOut,
    Unavailable,
    Unreachable,
    UnreadableReply,
)
from cairn.client.retries import RetryPolicy
from tests.faces import FaceName, open_face
from tests.fakes.scripted_http import Scripted, data_frames, frames, refusal, scripted_server
from tests.waiting import patience

KEY = "ck_a_key_that_nobody_may_read"
BUDGET = {
    "developer": "ada", "team": "default", "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
    "limit_usd": 8.33, "added_usd": 0.0, "spent_usd": 0.000000123, "held_usd": 0, "remaining_usd": 8.329999877, "unreconciled_usd": 0.0,
    "forecast_usd": 1e-9, "limit_tokens": None, "spent_tokens": 12, "alerts": ["50%"],
}  # fmt: skip
FOUND = {"results": [], "tokens": 0, "abstained": True, "took_ms": 1.5, "degraded": []}
ANSWER = {"text": "By NATS. [1]", "citations": [], "abstained": False, "by": "model", "sentences": [{"text": "By NATS.", "citations": [1]}]}
EVENT = {"seq": 1, "id": "e1", "kind": "prompt", "role": "user", "text": "hello", "untrusted": True}
LEARNT = {"id": "i1", "type": "gotcha", "title": "t", "text": "learnt", "untrusted": True}
HTML = "<html><body>502 Bad Gateway</body></html>"


@pytest.fixture(params=["sync", "async"])
def face_name(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr("cairn.client._async.sessions.RESUMING", RetryPolicy(retries=3, first_wait=0.01))
    monkeypatch.setattr("cairn.client._sync.sessions.RESUMING", RetryPolicy(retries=3, first_wait=0.01))


async def asked_of(
    face_name: FaceName, script: list[Scripted], method: str, *given: Any, retries: int = 2, **named: Any
) -> tuple[Any, list[Any]]:
    """Call a method against a scripted server; return what came, or the error, and the requests."""
    with scripted_server(*script) as server:
        async with open_face(face_name, server.url, KEY, retries=retries) as face:
            face.client._transport.retries = RetryPolicy(retries=retries, first_wait=0.01)  # type: ignore[misc]
            try:
                result = await face.do(method, *given, **named)
            except CairnError as error:
                result = error
    return result, server.asked


@pytest.mark.parametrize(
    ("failure", "times"),
    [
        (refusal(503, "unavailable", "unavailable_error", retry_after="0"), 1),
        (refusal(503, "unavailable", "unavailable_error", retry_after="0"), 2),
        (refusal(429, "rate_limited", "rate_limit_error", retry_after="0"), 2),
        (Scripted(502, HTML), 2),
        (Scripted(200, BUDGET, cut=True), 2),
    ],
    ids=["503 once", "503 twice", "429", "a proxy's 502", "cut"],
)
async def test_a_read_that_fails_in_passing_is_asked_again(face_name: FaceName, failure: Scripted, times: int) -> None:
    budget, asked = await asked_of(face_name, [failure] * times + [Scripted(200, BUDGET)], "budget.own")
    assert (str(budget.spent_usd), str(budget.forecast_usd), budget.limit_tokens) == ("1.23E-7", "1E-9", None)
    assert len(asked) == times + 1


@pytest.mark.parametrize(
    ("reply", "kind", "requests"),
    [
        (refusal(402, "budget_exceeded", "insufficient_quota", x_should_retry="false", x_cairn_budget_resets_at="2026-12-01T00:00:00+00:00"), BudgetExceeded, 1),
        (refusal(404, "not_found", "not_found_error"), NotFound, 1),
        (refusal(429, "rate_limited", "rate_limit_error", retry_after="3600"), RateLimited, 1),
        (refusal(503, "unavailable", "unavailable_error"), Unavailable, 3),
        (refusal(500, "internal_error", "api_error"), ServerFailed, 1),
        (refusal(503, "unavailable", "unavailable_error", x_should_retry="false"), Unavailable, 1),
        (refusal(418, "teapot"), Refused, 1),
        (Scripted(502, HTML), UnreadableReply, 3),
        (Scripted(200, HTML), UnreadableReply, 1),
        (Scripted(200, {"developer": "ada"}), UnreadableReply, 1),
        (Scripted(200, [1, 2]), UnreadableReply, 1),
        (Scripted(200, BUDGET | {"spent_usd": "much"}), UnreadableReply, 1),
        (Scripted(200, BUDGET | {"period": {"start": "soon", "end": "later"}}), UnreadableReply, 1),
        (Scripted(404, {"error": "no"}), UnreadableReply, 1),
        (Scripted(307, "", {"location": "https://elsewhere.example/v1/budget"}), UnreadableReply, 1),
        (Scripted(200, "[" * 100_000), UnreadableReply, 1),
    ],
    ids=lambda value: f"{value.status}-{str(value.body)[:20]}" if isinstance(value, Scripted) else None,
)  # fmt: skip
async def test_each_reply_that_is_no_answer_is_an_error_of_its_own(
    face_name: FaceName, reply: Scripted, kind: type[CairnError], requests: int
) -> None:
    error, asked = await asked_of(face_name, [reply], "budget.own")
    assert type(error) is kind or (kind is Refused and isinstance(error, Refused))
    assert len(asked) == requests
    assert KEY not in str(error) + repr(error)
    if isinstance(error, Refused):
        assert (error.status, error.request_id, error.message) == (reply.status, "req-1", f"It said {reply.status}.")
    if isinstance(error, BudgetExceeded):
        assert error.resets_at is not None
        assert error.resets_at.month == 12
    if isinstance(error, RateLimited):
        assert error.retry_after == 3600


async def test_a_redirection_is_not_followed_and_its_aim_is_named(face_name: FaceName) -> None:
    error, _ = await asked_of(face_name, [Scripted(301, "", {"location": "https://elsewhere.example/"})], "budget.own")
    assert "https://elsewhere.example/" in error.message


async def test_a_change_is_sent_again_only_where_nothing_was_done(face_name: FaceName) -> None:
    unknown = refusal(503, "unavailable", "unavailable_error", retry_after="0")  # the commit's outcome may be unknown
    for reply in (Scripted(502, HTML), Scripted(200, {}, cut=True), unknown):
        error, asked = await asked_of(face_name, [reply], "knowledge.delete", "i1")
        assert isinstance(error, CairnError)
        assert len(asked) == 1
    limited = refusal(429, "rate_limited", "rate_limit_error", retry_after="0")
    done, asked = await asked_of(face_name, [limited, Scripted(204)], "knowledge.delete", "i1")
    assert (done, [each.method for each in asked]) == (None, ["DELETE", "DELETE"])


async def test_attempts_of_one_creating_request_share_their_idempotency_key(face_name: FaceName) -> None:
    shed = Scripted(502, HTML)
    error, asked = await asked_of(face_name, [shed], "knowledge.record", "text", type="gotcha", project="shop")
    assert isinstance(error, UnreadableReply)
    assert [len(each.headers["idempotency-key"]) for each in asked] == [32, 32, 32]
    assert len({each.headers["idempotency-key"] for each in asked}) == 1


async def test_without_retries_the_first_failure_is_told(face_name: FaceName) -> None:
    _, asked = await asked_of(face_name, [Scripted(502, HTML)], "budget.own", retries=0)
    assert len(asked) == 1


RATE_LIMITED = refusal(429, "rate_limited", "rate_limit_error", retry_after="0")
SHED = refusal(503, "unavailable", "unavailable_error", retry_after="0")


@pytest.mark.parametrize("failure", [Scripted(502, HTML), RATE_LIMITED, SHED], ids=["502", "429", "503"])
async def test_a_file_is_sent_from_where_it_stood_by_each_attempt(face_name: FaceName, failure: Scripted, tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_bytes(b"a line before\n" + b"x" * 600_000)
    script = [failure, Scripted(202, {"job_id": "j1"})]
    pending, asked = await asked_of(face_name, script, "sessions.upload", file)
    assert (pending.id, [len(each.body) for each in asked]) == ("j1", [600_014, 600_014])
    with file.open("rb") as opened:
        opened.readline()
        pending, asked = await asked_of(face_name, script, "sessions.upload", opened)
    assert (pending.id, [each.body for each in asked]) == ("j1", [b"x" * 600_000] * 2)


@pytest.mark.parametrize("failure", [Scripted(502, HTML), RATE_LIMITED, SHED], ids=["502", "429", "503"])
async def test_what_can_be_read_once_is_never_sent_again_as_nothing(face_name: FaceName, failure: Scripted) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a transcript")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        error, asked = await asked_of(face_name, [failure, Scripted(202, {"job_id": "j1"})], "sessions.upload", pipe)
    assert isinstance(error, CairnError)
    assert [each.body for each in asked] == [b"a transcript"]


async def test_a_failed_job_is_told_with_its_reason(face_name: FaceName) -> None:
    job = {
        "id": "j1",
        "kind": "ingest",
        "state": "failed",
        "progress": {"done": 1, "total": 2},
        "attempts": 3,
        "created_at": "2026-11-01T00:00:00Z",
    }
    error, _ = await asked_of(
        face_name, [Scripted(200, job | {"error": {"code": "not_permitted", "message": "Another developer's."}})], "jobs.wait", "j1"
    )
    assert isinstance(error, JobFailed)
    assert (error.code, error.message) == ("not_permitted", "Another developer's.")


async def test_a_silent_server_is_given_up_after_the_timeout(face_name: FaceName) -> None:
    with scripted_server(Scripted(silent=True)) as server:
        async with open_face(face_name, server.url, KEY, timeout=0.2, retries=0) as face:
            with pytest.raises(TimedOut):
                await face.do("budget.own")


async def test_a_host_that_does_not_answer_is_unreachable(face_name: FaceName) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with open_face(face_name, url, KEY, retries=1) as face:
        with pytest.raises(Unreachable, match=url):
            await face.do("budget.own")
        with pytest.raises(Unreachable):
            await face.do("sessions.follow", "s1")


async def test_https_to_a_server_of_http_is_unreachable(face_name: FaceName) -> None:
    with scripted_server(Scripted(200, BUDGET)) as server:
        async with open_face(face_name, server.url.replace("http:", "https:"), KEY, retries=0) as face:
            with pytest.raises((Unreachable, ConnectionLost)):
                await face.do("budget.own")


async def test_a_closed_client_says_so(face_name: FaceName) -> None:
    async with open_face(face_name, "http://127.0.0.1:9", KEY) as face:
        await face.do("close")
        with pytest.raises(NotConfigured, match="closed"):
            await face.do("budget.own")


async def test_what_a_newer_server_adds_is_ignored(face_name: FaceName) -> None:
    newer = BUDGET | {"hopes": [1], "period": BUDGET["period"] | {"phase": "waxing"}, "alerts": ["50%", "a new kind"]}  # type: ignore[operator]
    budget, _ = await asked_of(face_name, [Scripted(200, newer)], "budget.own")
    assert budget.alerts == ("50%", "a new kind")


async def test_what_an_older_server_leaves_out_has_its_default(face_name: FaceName) -> None:
    older = {name: value for name, value in BUDGET.items() if name not in {"limit_tokens", "remaining_usd"}}
    budget, _ = await asked_of(face_name, [Scripted(200, older)], "budget.own")
    assert (budget.limit_tokens, budget.remaining_usd) == (None, None)


async def test_a_streamed_answer_gives_sentences_and_then_the_whole(face_name: FaceName) -> None:
    events = [{"sentence": {"text": "By NATS.", "citations": [1]}}, {"thought": "of a newer server"}, FOUND | {"answer": ANSWER}, "[DONE]"]
    parts, asked = await asked_of(face_name, [Scripted(200, data_frames(events), stream=True)], "ask_stream", "how?")
    assert [type(each) for each in parts] == [Sentence, QueryReply]
    assert b'"stream": true' in asked[0].body


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Scripted(200, data_frames([{"sentence": {"text": "By", "citations": []}}]), stream=True, cut=True), ConnectionLost),
        (Scripted(200, data_frames([{"sentence": {"text": "By", "citations": []}}]), stream=True), ConnectionLost),
        (Scripted(200, data_frames(["no JSON"]), stream=True), UnreadableReply),
        (Scripted(200, FOUND), UnreadableReply),
        (Scripted(200, data_frames([refusal(503, "unavailable", "unavailable_error").body]), stream=True), Unavailable),
        (refusal(402, "budget_exceeded", "insufficient_quota"), BudgetExceeded),
    ],
    ids=["cut", "ended early", "no JSON", "no stream", "an error at its end", "refused"],
)
async def test_a_streamed_answer_that_does_not_end_well_raises(face_name: FaceName, reply: Scripted, kind: type[CairnError]) -> None:
    error, asked = await asked_of(face_name, [reply], "ask_stream", "how?")
    assert type(error) is kind
    assert len(asked) == 1  # it may have been paid for


async def test_a_followed_session_goes_on_after_a_cut_without_telling_anything_twice(face_name: FaceName) -> None:
    script = [
        Scripted(200, frames(("event", "1.1", EVENT), ("knowledge", "1.1", LEARNT)), stream=True, cut=True),
        refusal(503, "unavailable", "unavailable_error", retry_after="0"),
        Scripted(200, frames(("surprise", "1.2", {}), ("changed", "2.3", EVENT), ("knowledge", "2.3", LEARNT)), stream=True),
    ]
    updates, asked = await asked_of(face_name, script, "sessions.follow", "s1", seconds=0)
    assert [(each.position, getattr(each, "changed", None)) for each in updates] == [("1.1", False), ("1.1", None), ("2.3", True)]
    assert [each.headers.get("last-event-id") for each in asked] == [None, "1.1", "1.1"]


async def test_a_followed_session_that_is_gone_ends_with_an_error(face_name: FaceName) -> None:
    script = [Scripted(200, frames(("event", "1.1", EVENT)), stream=True, cut=True), refusal(404, "not_found", "not_found_error")]
    error, asked = await asked_of(face_name, script, "sessions.follow", "s1")
    assert isinstance(error, NotFound)
    assert len(asked) == 2


async def test_a_cancelled_request_ends_at_once_and_the_next_one_works() -> None:
    with scripted_server(Scripted(silent=True), Scripted(200, BUDGET)) as server:
        async with AsyncClient(server.url, KEY) as client:
            waiting = asyncio.create_task(client.budget.own())
            async with patience():
                while not server.asked:
                    await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await client.budget.own()).developer == "ada"


async def test_the_key_stands_in_no_log(face_name: FaceName, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await asked_of(face_name, [Scripted(200, BUDGET)], "budget.own")
    assert caplog.records
    assert KEY not in caplog.text
