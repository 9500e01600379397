"""Growing transcripts and streams of sessions over HTTP: found within seconds, resumed, closed to other teams."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from app.services import session_stream
from tests.conftest import ROOT
from tests.integration.api.conftest import Api
from tests.waiting import patience

LINES = "/v1/sessions/transcript-lines"


def claude(session: str, number: int, said: str, *, role: str = "user") -> bytes:
    record = {"type": role, "uuid": f"{session}-{number}", "sessionId": session, "cwd": "/work/shop", "message": {"content": said}}
    return json.dumps(record).encode() + b"\n"


async def send(api: Api, source: str, data: bytes, offset: int = 0, **params: str) -> Any:
    query = {"source": source, "name": f"{source}.jsonl", "format": "claude-code", "offset": str(offset), **params}
    sent = await api.ask("POST", LINES, data=data, params=query)
    assert sent.status == 202, sent.text
    return sent.json


async def session_of(api: Api, name: str) -> dict[str, Any]:
    listed = await api.ask("GET", "/v1/sessions", params={"limit": "200", "subject": name})  # others' sessions are in the team, too
    return next(each for each in listed.json["sessions"] if each["external_id"] == name)


def frames(text: str) -> list[tuple[str, str, Any]]:
    """(event, id, data) of each frame."""
    found = []
    for frame in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.splitlines() if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


async def test_lines_become_a_session_that_is_listed_searched_and_not_read_twice(api: Api) -> None:
    name = uuid4().hex
    first, second = claude(name, 1, f"Why does svc{name} drop keepalives?"), claude(name, 2, "Because of the proxy.", role="assistant")
    assert await send(api, name, first) == {"offset": len(first), "events": 1, "resumed": True}
    assert await send(api, name, second, len(first)) == {"offset": len(first + second), "events": 1, "resumed": True}
    assert await send(api, name, second, 3) == {"offset": len(first + second), "events": 0, "resumed": True}
    listed = await api.ask("GET", LINES, params={"limit": "1000"})
    assert [(each["offset"], each["ended"]) for each in listed.json["files"] if each["source"] == name] == [(len(first + second), False)]
    session = await session_of(api, name)
    assert (session["provider"], session["events"], session["project"], session["transcript"]) == (
        "claude-code",
        2,
        "shop",
        f"{name}.jsonl",
    )
    asked = {"query": f"svc{name} keepalives", "kinds": ["passage"]}
    async with patience():  # until it is found: other tests' sessions are found before
        while f"svc{name}" not in (await api.ask("POST", "/v1/knowledge/query", json=asked)).text:
            await asyncio.sleep(0.1)


async def test_what_is_no_transcript_or_no_offset_is_refused(api: Api) -> None:
    for params in ({"source": "x", "offset": "-1"}, {"offset": "0"}, {"source": "x", "format": "word"}):
        assert (await api.ask("POST", LINES, data=b"x", params=params)).status == 422
    refused = await api.ask("POST", LINES, data=b"\x00\x01\x02" * 50, params={"source": "x"})
    assert refused.status in {415, 422}
    assert refused.error["message"]
    assert (await api.ask("POST", LINES, key=None, data=b"x", params={"source": "x"})).status == 401


async def test_a_stream_tells_events_resumes_after_the_last_and_ends_when_asked(api: Api) -> None:
    name = uuid4().hex
    text = claude(name, 1, "One.") + claude(name, 2, "Two.", role="assistant")
    await send(api, name, text)
    path = f"/v1/sessions/{(await session_of(api, name))['id']}/stream"
    told = frames((await api.ask("GET", path, params={"seconds": "0"})).text)
    assert [(kind, data["text"], data["untrusted"]) for kind, _, data in told if kind == "event"] == [
        ("event", "One.", True),
        ("event", "Two.", True),
    ]
    await send(api, name, claude(name, 3, "Three."), len(text))
    again = frames((await api.ask("GET", path, params={"seconds": "0"}, headers={"last-event-id": told[0][1]})).text)
    assert [data["text"] for kind, _, data in again if kind == "event"] == ["Two.", "Three."]
    assert (await api.ask("GET", path, headers={"last-event-id": "nonsense"})).status == 422


async def told(reply: aiohttp.ClientResponse, words: bytes) -> None:
    """Read on until the stream says these words. Fails if it ends before."""
    async for line in reply.content:
        if words in line:
            return
    pytest.fail(f"The stream ended without {words!r}.")


async def test_an_open_stream_tells_what_comes(api: Api) -> None:
    name = uuid4().hex
    first = claude(name, 1, "One.")
    await send(api, name, first)
    url = f"{api.url}/v1/sessions/{(await session_of(api, name))['id']}/stream"
    async with api.http.get(url, headers={"authorization": f"Bearer {api.key}"}) as reply, patience():
        await told(reply, b"One.")
        await send(api, name, claude(name, 2, "Two."), len(first))
        await told(reply, b"Two.")


async def test_a_stream_tells_all_that_was_learnt_however_much(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key, data = (
        await api.developer(team="learners"),
        (ROOT / "examples" / "sessions" / "2026-11-17-yesterdays-departures.claude-code.jsonl").read_bytes(),
    )
    (session,) = (await api.ingest(data, key=key))["result"]["sessions"]
    path = f"/v1/sessions/{session}/stream"

    async def learnt() -> list[Any]:
        reply = await api.ask("GET", path, key=key, params={"seconds": "0"})
        return [data["title"] for kind, _, data in frames(reply.text) if kind == "knowledge"]

    whole = await learnt()
    assert len(whole) >= 2
    monkeypatch.setattr(session_stream, "ITEMS_PAGE", 1)
    assert await learnt() == whole


async def test_ones_own_sessions_are_listed_alone(api: Api) -> None:
    ours, theirs, key = uuid4().hex, uuid4().hex, await api.developer()
    await send(api, ours, claude(ours, 1, "Ours."))
    query = {"source": theirs, "format": "claude-code"}
    assert (await api.ask("POST", LINES, key=key, data=claude(theirs, 1, "Theirs."), params=query)).status == 202
    own = await api.ask("GET", "/v1/sessions", key=key, params={"own": "true"})
    assert [each["external_id"] for each in own.json["sessions"]] == [theirs]
    admins = await api.ask("GET", "/v1/sessions", params={"own": "true", "limit": "200", "subject": ours})
    assert {ours, theirs} & {each["external_id"] for each in admins.json["sessions"]} == {ours}


@pytest.mark.parametrize("path", ["", "/stream"])
async def test_another_teams_session_is_not_found(api: Api, path: str) -> None:
    name, foreign = uuid4().hex, await api.developer(team="strangers")
    await send(api, name, claude(name, 1, "Ours."))
    session = (await session_of(api, name))["id"]
    assert (await api.ask("GET", f"/v1/sessions/{session}{path}", key=foreign)).status == 404
    assert name not in (await api.ask("GET", LINES, key=foreign)).text
