"""A session's analysis over HTTP: as far as the session is open, in words only to those who see what was said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from tests.integration.api.conftest import Api
from tests.integration.api.test_shown_prompts import Team, team  # noqa: F401 - a fixture
from tests.waiting import patience

ANALYSED = [
    {"id": "1", "role": "user", "text": "Mend the login"},
    {"id": "2", "role": "tool", "tool": {"name": "bash", "input": "pytest -q", "output": "1 failed", "exit_code": 1}},
    {"id": "3", "role": "tool", "tool": {"name": "bash", "input": "pytest -q", "output": "1 passed", "exit_code": 0}},
    {"id": "4", "role": "user", "text": "Thanks, great!"},
]


FAILING = [*ANALYSED[:2], {"id": "3", "role": "assistant", "text": "I look at it."}, {"id": "4", "role": "user", "text": "Go on"}]
"""A session that nothing is learnt from."""


async def analysed(api: Api, session: str, *, events: int, key: str = "admin", **options: Any) -> dict[str, Any]:
    """The analysis, once it has read so many events and the intents of its prompts are told."""
    async with patience():
        while True:
            found = (await api.ask("GET", f"/v1/sessions/{session}/analysis", key=key, **options)).json
            if found["analysed"] == events and all(each["intent"] for each in found["exchanges"] if each["number"]):
                return dict(found)
            await asyncio.sleep(0.05)


async def sent(api: Api, *, key: str = "admin", project: str | None = None, events: Sequence[Mapping[str, Any]] = ANALYSED) -> str:
    body = "".join(json.dumps(each) + "\n" for each in events)
    path = f"/v1/sessions/{uuid4().hex}/events?project={project or f'p{uuid4().hex[:8]}'}"
    return str((await api.ask("POST", path, key=key, data=body)).json["session_id"])


async def found_stuck(api: Api, session: str) -> None:
    """Store a finding, as an analyzer's."""
    row = (
        "insert into session_findings (session_id, kind, name, first, team_id, project_id, last, evidence, because, open, told, revision, tool)"
        " select id, 'health', 'stuck', 2, team_id, project_id, 3, '{2,3}', 'The test told: 1 failed.', true, 3, 1, 'bash' from sessions where id = :session"
    )
    async with api.services.database.begin() as connection:
        await connection.execute(text(row), {"session": UUID(session)})


async def test_a_live_session_is_analysed_as_it_goes(api: Api) -> None:
    session = await sent(api)
    found = await analysed(api, session, events=4)
    assert (found["events"], found["current"], found["parked"], found["next_cursor"]) == (4, True, None, None)
    first, second = found["exchanges"]
    assert (first["outcome"], first["checked"], first["checks_passed"], first["checks_failed"]) == ("accepted", "passed", 1, 1)
    assert (second["outcome"], second["first"], second["last"]) == (None, 4, 4)
    told = (await api.ask("GET", f"/v1/sessions/{session}/prompts/1/intent")).json
    assert (first["intent"], first["intent_confidence"]) == (told["intent"], told["confidence"])
    assert [each["phases"] for each in found["steps"]] == [{"ask": 1}, {"test": 1}, {"test": 1}, {"ask": 1}]
    assert found["untrusted"] is True


async def test_exchanges_come_in_pages(api: Api) -> None:
    session = await sent(api)
    await analysed(api, session, events=4)
    first = (await api.ask("GET", f"/v1/sessions/{session}/analysis?limit=1")).json
    second = (await api.ask("GET", f"/v1/sessions/{session}/analysis?limit=1&cursor={first['next_cursor']}")).json
    assert [[each["number"] for each in page["exchanges"]] for page in (first, second)] == [[1], [2]]
    assert second["next_cursor"] is None
    assert [each["first"] for each in second["steps"]] == [4]


async def test_a_session_that_was_not_analysed_yet_says_so(api: Api) -> None:
    session = await sent(api)
    await analysed(api, session, events=4)
    async with api.services.database.begin() as connection:
        for table in ("session_exchanges", "session_findings", "session_step_blocks"):
            await connection.execute(text(f"delete from {table} where session_id = :session"), {"session": UUID(session)})
        await connection.execute(text("delete from projection_checkpoints where session_id = :session"), {"session": UUID(session)})
    found = (await api.ask("GET", f"/v1/sessions/{session}/analysis")).json
    assert (found["analysed"], found["current"], found["exchanges"], found["steps"]) == (0, False, [], [])


async def test_what_is_no_session_or_no_page_is_refused(api: Api) -> None:
    unknown = await api.ask("GET", f"/v1/sessions/{uuid4()}/analysis")
    assert (unknown.status, unknown.error["code"]) == (404, "not_found")
    session = await sent(api)
    for query, param in (("limit=0", "limit"), ("limit=201", "limit"), ("cursor=x", "cursor"), ("kind=loop", "kind")):
        refused = await api.ask("GET", f"/v1/sessions/{session}/analysis?{query}")
        assert (refused.status, refused.error["param"]) == (422, param)


async def test_another_teams_session_has_no_analysis(api: Api) -> None:
    session = await sent(api)
    stranger = await api.developer(team=f"t{uuid4().hex[:8]}")
    assert (await api.ask("GET", f"/v1/sessions/{session}/analysis", key=stranger)).status == 404


async def test_findings_are_told_in_words_only_to_those_who_see_what_was_said(team: Team) -> None:  # noqa: F811
    session = await sent(team.api, key=team.keys["ada"], project=team.project)
    await analysed(team.api, session, events=4, key=team.keys["ada"])
    await found_stuck(team.api, session)

    async def because(person: str, session: str = session) -> str | None:
        reply = await team.ask(person, "GET", f"/v1/sessions/{session}/analysis")
        assert reply.status == 200, reply.text
        (stuck,) = reply.json["health"]
        assert (stuck["name"], stuck["first"], stuck["evidence"], stuck["tool"]) == ("stuck", 2, [2, 3], "bash")
        return None if stuck["because"] is None else str(stuck["because"])

    assert {person: await because(person) for person in team.keys} == dict.fromkeys(team.keys) | {"ada": "The test told: 1 failed."}
    assert await team.audit() == []
    await team.switch(True)
    body = "".join(json.dumps(each | {"timestamp": datetime.now(UTC).isoformat()}) + "\n" for each in ANALYSED)
    later = await team.ask("ada", "POST", f"/v1/sessions/{uuid4().hex}/events?project={team.project}", data=body)
    session = later.json["session_id"]
    await analysed(team.api, session, events=4, key=team.keys["ada"])
    await found_stuck(team.api, session)
    assert (await because("bo", session), await because("lead", session)) == (None, "The test told: 1 failed.")
    (entry,) = [each for each in await team.audit() if each["action"] == "read"]
    assert (entry["by"], entry["session_id"]) == (team.who("lead"), session)


async def test_files_are_named_only_to_those_who_see_what_was_said_and_all_that_is_read_is_recorded(team: Team) -> None:  # noqa: F811
    await team.send(("user", "Hello"))  # opens the project
    await team.switch(True)
    now = datetime.now(UTC).isoformat()
    edit = {"id": "5", "role": "tool", "tool": {"name": "edit", "input": {"path": "pay/salaries-of-kim.py", "old": "a"}, "output": "done"}}
    body = "".join(json.dumps(each | {"timestamp": now}) + "\n" for each in (*ANALYSED, edit))
    sent_by_ada = await team.ask("ada", "POST", f"/v1/sessions/{uuid4().hex}/events?project={team.project}", data=body)
    session = sent_by_ada.json["session_id"]
    await analysed(team.api, session, events=5, key=team.keys["ada"])
    await found_stuck(team.api, session)
    async with team.api.services.database.begin() as connection:  # a loop that began in the first exchange goes on in the second
        await connection.execute(text("update session_findings set last = 5 where session_id = :session"), {"session": UUID(session)})
    first = (await team.ask("lead", "GET", f"/v1/sessions/{session}/analysis?limit=1")).json
    path = f"/v1/sessions/{session}/analysis?limit=1&cursor={first['next_cursor']}"
    named = {person: (await team.ask(person, "GET", path)).json["exchanges"][0]["files"] for person in ("lead", "ada", "bo")}
    assert named == {"lead": ["pay/salaries-of-kim.py"], "ada": ["pay/salaries-of-kim.py"], "bo": []}
    assert "kim" not in (await team.ask("bo", "GET", f"/v1/sessions/{session}/analysis")).text
    read = [(each["first_event"], each["last_event"]) for each in await team.audit() if each["action"] == "read"]
    assert read == [(1, 5), (1, 5)], "what was found in a page goes on from before it, and after it"


async def test_the_stream_tells_findings_and_goes_on_after_any(api: Api) -> None:
    session = await sent(api, events=FAILING)
    await analysed(api, session, events=4)
    await found_stuck(api, session)

    async def told(after: str | None) -> list[tuple[str, str, dict[str, Any]]]:
        headers = {} if after is None else {"last-event-id": after}
        reply = await api.ask("GET", f"/v1/sessions/{session}/stream?seconds=0", headers=headers)
        blocks = [each.splitlines() for each in reply.text.split("\n\n") if each.startswith("event: ")]
        return [(name[7:], place[4:], json.loads(data[6:])) for name, place, data in blocks]

    whole = await told(None)
    assert [name for name, _, _ in whole if name != "finding"] == ["event"] * 4 + ["intent"] * 2
    (found,) = [data for name, _, data in whole if name == "finding" and data["kind"] == "health"]
    assert (found["name"], found["first"], found["because"]) == ("stuck", 2, "The test told: 1 failed.")
    for number, (_, place, _) in enumerate(whole, start=1):
        assert await told(place) == whole[number:]
    refused = await api.ask("GET", f"/v1/sessions/{session}/stream?seconds=0", headers={"last-event-id": "4.1~x"})
    assert (refused.status, refused.error["param"]) == (422, "last-event-id")
