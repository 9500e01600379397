"""`GET /v1/sessions/{id}/similar`: why a session is found, what is refused, and by the client's both faces."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from cairn.client import NotFound
from tests.faces import FaceName, open_face
from tests.integration.api.conftest import Api, generic
from tests.waiting import patience

STEPS = (
    ("Read", "till.py", "def total(): ...", 0),
    ("bash", "npm run build", "error TS2304: Cannot find name 'total'", 2),
    ("bash", "npm install typescript", "added 1 package", 0),
    ("bash", "npm run build", "built in 2 s", 0),
    ("Edit", "till.py", "done", 0),
)


def build(topic: str, steps: Any = STEPS) -> str:
    """A session whose build fails until something is installed, as the contract's NDJSON."""
    lines = [{"id": f"{topic}-0", "role": "user", "text": f"Build {topic}."}]
    for number, (tool, given, output, code) in enumerate(steps, 1):
        call = {"name": tool, "input": given, "output": output, "exit_code": code}
        lines.append({"id": f"{topic}-{number}", "role": "tool", "text": "", "tool": call})
    return "".join(json.dumps(each) + "\n" for each in lines)


async def sent(api: Api, key: str, text: str) -> str:
    done = await api.ingest(text, key=key, project="till")
    (session,) = done["result"]["sessions"]
    return str(session)


async def test_a_session_with_the_same_phases_is_found_with_why(api: Api) -> None:
    key = await api.developer(team=f"t{uuid4().hex[:8]}")
    one, other = [await sent(api, key, build(f"shop{uuid4().hex[:6]}")) for _ in range(2)]
    reply = await api.ask("GET", f"/v1/sessions/{one}/similar", key=key)
    assert reply.status == 200, reply.text
    assert {name: reply.json[name] for name in ("state", "reason", "phases", "left_out", "compared")} == {
        "state": "compared",
        "reason": None,
        "phases": 6,
        "left_out": 0,
        "compared": 1,
    }
    (found,) = reply.json["sessions"]
    assert (found["id"], found["project"], found["score"]) == (other, "till", 1.0)
    assert found["because"] == (
        "Both: a prompt, exploring, a build fails, an installation, a build, editing. Then, there: an installation, a build, editing."
    )
    assert found["shared"][2] == {"phase": "a build fails", "here": 3, "there": 3}


async def test_a_live_session_is_found_too_and_a_purged_one_is_not(api: Api) -> None:
    key = await api.developer(team=f"t{uuid4().hex[:8]}")
    one, topic = await sent(api, key, build("one")), f"live{uuid4().hex[:6]}"
    live = (await api.ask("POST", f"/v1/sessions/{topic}/events?project=till", key=key, data=build(topic))).json["session_id"]
    async with patience():
        while not (listed := (await api.ask("GET", f"/v1/sessions/{one}/similar", key=key)).json["sessions"]):
            await asyncio.sleep(0.05)
    assert [each["id"] for each in listed] == [live]
    assert (await api.ask("DELETE", f"/v1/sessions/{live}", key=key)).status == 200
    assert (await api.ask("GET", f"/v1/sessions/{one}/similar", key=key)).json["sessions"] == []
    assert (await api.ask("GET", f"/v1/sessions/{live}/similar", key=key)).status == 404


async def test_a_session_of_one_event_says_why_it_is_not_compared(api: Api) -> None:
    key = await api.developer(team=f"t{uuid4().hex[:8]}")
    session = await sent(api, key, generic((f"e{uuid4().hex}", "user", "Wie geht das?")))
    told = (await api.ask("GET", f"/v1/sessions/{session}/similar", key=key)).json
    assert (told["state"], told["phases"], told["sessions"]) == ("too_short", 1, [])
    assert "too few phases" in told["reason"]


@pytest.mark.parametrize("limit", [0, 51, "many"])
async def test_a_limit_out_of_bounds_is_refused_by_name(api: Api, limit: object) -> None:
    reply = await api.ask("GET", f"/v1/sessions/{uuid4()}/similar?limit={limit}")
    assert (reply.status, reply.error["param"]) == (422, "limit")


async def test_another_teams_session_and_an_unknown_one_are_not_found(api: Api) -> None:
    ours, theirs = [await api.developer(team=f"t{uuid4().hex[:8]}") for _ in range(2)]
    session = await sent(api, ours, build("ours"))
    for asked, key in ((session, theirs), (str(uuid4()), ours)):
        reply = await api.ask("GET", f"/v1/sessions/{asked}/similar", key=key)
        assert reply.status == 404
        assert "cairn sessions list" in reply.error["message"]
    assert (await api.ask("GET", f"/v1/sessions/{session}/similar", key=None)).status == 401


@pytest.mark.parametrize("face", ["sync", "async"])
async def test_the_python_client_lists_them(api: Api, face: FaceName) -> None:
    key = await api.developer(team=f"t{uuid4().hex[:8]}")
    one, other = [await sent(api, key, build(f"pkg{uuid4().hex[:6]}")) for _ in range(2)]
    async with open_face(face, api.url, key) as client:
        found = await client.do("sessions.similar", one, limit=3)
        assert [(each.id, each.then[0], each.shared[0].there) for each in found.sessions] == [(other, "an installation", 1)]
        with pytest.raises(NotFound):
            await client.do("sessions.similar", str(uuid4()))
