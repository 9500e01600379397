"""What recurs, over HTTP: the list and its pages, a session's analysis, its stream, the nudge of its hook, and the pages people look at."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.assist.hooks import nudging
from app.trajectory.patterns import PatternReader
from tests.integration.api.conftest import Api
from tests.integration.api.test_nudges import bash, loop_found, started
from tests.integration.api.test_session_analysis import analysed, sent
from tests.integration.dashboard.test_items import page
from tests.signing_in import signed_in

SECRET_TABLE = "orders_of_acme"
FAILED = {
    "name": "bash",
    "input": "alembic upgrade head",
    "output": f"OperationalError: database is locked '{SECRET_TABLE}'",
    "exit_code": 1,
}
WORKS = {"name": "bash", "input": "alembic upgrade head", "output": "done", "exit_code": 0}
EDIT = {"name": "Edit", "input": "env.py\n- a\n+ b", "output": "updated", "exit_code": 0}


def locked(*, ends: bool = True) -> list[dict[str, Any]]:
    tools = [FAILED, FAILED, FAILED, *([EDIT, WORKS] if ends else [])]
    return [
        {"id": "1", "role": "user", "text": "Migrate it"},
        *({"id": str(number), "role": "tool", "tool": tool} for number, tool in enumerate(tools, 2)),
    ]


async def met(api: Api, project: str, *, ends: bool = True, key: str = "admin") -> str:
    """An analysed session that met the trouble."""
    events = locked(ends=ends)
    session = await sent(api, project=project, events=events, key=key)
    await analysed(api, session, events=len(events), key=key)
    return session


async def listed(api: Api, query: str, key: str = "admin") -> Any:
    reply = await api.ask("GET", f"/v1/patterns?{query}", key=key)
    assert reply.status == 200, reply.text
    return reply.json


async def test_what_recurs_is_listed_with_what_followed_and_without_words(api: Api) -> None:
    project = f"p{uuid4().hex[:8]}"
    first, second = await met(api, project), await met(api, project, ends=False)
    found = await listed(api, f"project={project}")
    (pattern,) = found["patterns"]
    assert (pattern["project"], pattern["family"], pattern["failing"]) == (project, "a lock", ["a migration fails"])
    assert (pattern["times"], pattern["sessions"], pattern["troubles"]) == (2, 2, ["error"])
    assert [(each["outcome"], each["times"], each["after"]) for each in pattern["outcomes"]] == [
        ("call_worked", 1, ["editing"]),
        ("unresolved", 1, []),
    ]
    assert {each["session_id"] for each in pattern["occurrences"]} == {first, second}
    assert pattern["words"].startswith("Seen in 2 sessions of this project, ")
    assert found["next_cursor"] is None
    assert SECRET_TABLE not in json.dumps(found)
    assert (await listed(api, f"project={project}&min_sessions=3"))["patterns"] == []


async def test_another_team_sees_none_of_it(api: Api) -> None:
    project = f"p{uuid4().hex[:8]}"
    for _ in range(2):
        await met(api, project)
    stranger = await api.developer(team=f"t{uuid4().hex[:8]}")
    assert (await listed(api, "min_sessions=1", key=stranger))["patterns"] == []
    unknown = await api.ask("GET", f"/v1/patterns?project={project}", key=stranger)
    assert (unknown.status, unknown.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("min_sessions=0", "min_sessions"), ("cursor=x", "cursor"), ("kind=loop", "kind")],
)
async def test_a_list_that_cannot_be_made_is_refused(api: Api, query: str, param: str) -> None:
    refused = await api.ask("GET", f"/v1/patterns?{query}")
    assert (refused.status, refused.error["param"]) == (422, param)


async def test_a_session_is_told_what_others_show_of_its_trouble(api: Api) -> None:
    project = f"p{uuid4().hex[:8]}"
    others = [await met(api, project) for _ in range(2)]
    live = await met(api, project, ends=False)
    found = await analysed(api, live, events=4)
    (trouble,) = found["patterns"]
    assert (trouble["first"], trouble["last"], trouble["pattern"]["sessions"]) == (2, 4, 2)
    assert {each["session_id"] for each in trouble["pattern"]["occurrences"]} == set(others)
    reply = await api.ask("GET", f"/v1/sessions/{live}/stream?seconds=0")
    told = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ") and '"known"' in line]
    assert {each["known"] for each in told if each["kind"] == "loop"} == {trouble["pattern"]["words"]}
    assert {each["known"] for each in told if each["kind"] == "activity"} <= {None}
    alone = await met(api, f"p{uuid4().hex[:8]}", ends=False)
    assert (await analysed(api, alone, events=4))["patterns"] == []


async def looping(api: Api, project: str, like: str) -> str:
    """A hook's session with a loop that goes on and the episode of another session. Returns its agent's id."""
    session, session_id = await started(api, project)
    await loop_found(api, session_id)
    row = (
        "insert into trouble_episodes (session_id, told, team_id, project_id, first, last, trouble, family, signature, tool, failing, ended)"
        " select :session, 1, team_id, project_id, 1, 1, trouble, family, signature, tool, failing, '' from trouble_episodes where session_id = :like"
    )
    async with api.services.database.begin() as connection:
        await connection.execute(text(row), {"session": UUID(session_id), "like": UUID(like)})
    return session


@pytest.mark.parametrize("count", [1, 2])
async def test_a_nudge_says_what_is_known_but_not_of_a_single_session(api: Api, count: int) -> None:
    project = f"p{uuid4().hex[:8]}"
    others = [await met(api, project) for _ in range(count)]
    session = await looping(api, project, others[0])
    with patch.object(nudging, "SEARCH_SECONDS", 30):  # a busy machine
        told = await bash(api, session, 2, x_cairn_project=project)
    assert "The same result, four times. (event 1)" in told
    assert ("- Seen in 2 other sessions of this project, " in told) == (count == 2)
    assert ("Seen in" in told) == (count == 2)
    assert len(told) <= 1_000


async def test_the_pages_show_what_recurs(api: Api) -> None:
    project = f"p{uuid4().hex[:8]}"
    others = [await met(api, project) for _ in range(2)]
    live = await met(api, project, ends=False)
    async with signed_in(api, api.key) as http:
        status, shown = await page(http, api, f"/dashboard/stuck?project={project}")
        assert status == 200
        assert "What recurs" in shown
        assert "a migration fails" in shown
        assert f'href="/dashboard/sessions/{live}?after=1"' in shown
        status, session = await page(http, api, f"/dashboard/sessions/{live}")
    assert status == 200
    assert "Seen in 2 other sessions of this project" in session
    assert all(f'href="/dashboard/sessions/{other}?after=1"' in session for other in others)


async def test_a_slow_look_for_patterns_costs_a_nudge_nothing_but_its_words(api: Api) -> None:
    project = f"p{uuid4().hex[:8]}"
    others = [await met(api, project) for _ in range(2)]
    session = await looping(api, project, others[0])

    async def slow(*given: object, **named: object) -> str:
        await asyncio.Event().wait()
        return "never"

    with patch.object(nudging, "SEARCH_SECONDS", 0.01), patch.object(PatternReader, "sentence", slow):
        told = await bash(api, session, 2, x_cairn_project=project)
    assert "The same result, four times. (event 1)" in told
