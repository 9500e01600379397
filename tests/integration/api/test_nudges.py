"""A session that goes in circles or breaks a rule is told so by its hook, once a streak, with what its project knows of the error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.assist import earlier_help
from tests.integration.api.conftest import Api, serving
from tests.integration.api.test_api_hooks import given, hook, known, name, question, sessions
from tests.waiting import patience

WHERE = {"x_cairn_directory_name": "shop"}


async def bash(api: Api, session: str, number: int, output: str = "", **fields: Any) -> str:
    """A tool's hook; returns what the session is given."""
    tool = {"tool_name": "Bash", "tool_input": {"command": "make"}, "tool_use_id": f"t{number}", "tool_response": {"stderr": output}}
    return given(await hook(api, "PostToolUse", session=session, **tool, **fields))


async def started(api: Api, project: str, output: str = "") -> tuple[str, str]:
    """A session with one call of a tool, analysed. Returns its agent's id and its id in Cairn."""
    session = str(uuid4())
    await bash(api, session, 1, output, x_cairn_project=project, **WHERE)
    (found,) = [each for each in await sessions(api, project) if each["external_id"] == session]
    async with patience():
        while (await api.ask("GET", f"/v1/sessions/{found['id']}/analysis")).json["analysed"] != 1:
            await asyncio.sleep(0.05)
    return session, found["id"]


async def loop_found(api: Api, session_id: str, *, first: int = 1, last: int = 1, because: str = "The same result, four times.") -> None:
    """Store a loop that goes on, as an analyzer's."""
    row = (
        "insert into session_findings (session_id, kind, name, first, team_id, project_id, last, evidence, because, open, told, revision, tool)"
        " select id, 'loop', 'exact', :first, team_id, project_id, :last, '{1}', :because, true, :last, 1, 'bash' from sessions where id = :session"
    )
    async with api.services.database.begin() as connection:
        await connection.execute(text(row), {"session": UUID(session_id), "first": first, "last": last, "because": because})


async def test_a_loop_is_told_once_with_the_next_call(api: Api) -> None:
    project = name()
    session, session_id = await started(api, project)
    await loop_found(api, session_id)
    told = await bash(api, session, 2, x_cairn_project=project)
    assert "The same result, four times. (event 1)" in told
    assert len(told) <= 1_000
    assert await bash(api, session, 3, x_cairn_project=project) == ""


async def test_two_servers_asked_at_once_tell_it_once(api: Api) -> None:
    project = name()
    session, session_id = await started(api, project)
    await loop_found(api, session_id)
    told = await asyncio.gather(*(bash(api, session, number, x_cairn_project=project) for number in range(2, 8)))
    assert len([each for each in told if each]) == 1


async def test_what_the_project_knows_of_the_error_is_quoted_with_its_source(api: Api) -> None:
    topic = await known(api)
    session, session_id = await started(api, topic, f"Error: {question(topic)}")
    async with api.services.database.begin() as connection:
        await connection.execute(text("update events set outcome = 'failed' where session_id = :id"), {"id": UUID(session_id)})
    await loop_found(api, session_id)
    with patch.object(earlier_help, "SEARCH_SECONDS", 30):  # a busy machine
        told = await bash(api, session, 2, x_cairn_project=topic)
    assert "The same result, four times." in told
    assert "What was said of it before:" in told
    assert len(told) <= 1_000


async def test_a_prompt_is_told_of_it_too_and_a_client_that_passes_nothing_on_loses_none(api: Api) -> None:
    project = name()
    session, session_id = await started(api, project)
    await loop_found(api, session_id)
    assert await bash(api, session, 2, x_cairn_project=project, x_cairn_inject="off") == ""
    told = given(await hook(api, "UserPromptSubmit", session=session, prompt="go on", x_cairn_project=project))
    assert "The same result, four times." in told


async def test_a_purged_sessions_nudges_go_with_it(api: Api) -> None:
    project = name()
    session, session_id = await started(api, project)
    await loop_found(api, session_id)
    assert await bash(api, session, 2, x_cairn_project=project)
    assert (await api.ask("DELETE", f"/v1/sessions/{session_id}")).status == 200
    async with api.services.database.begin() as connection:
        left = await connection.scalar(text("select count(*) from session_nudges where session_id = :id"), {"id": UUID(session_id)})
    assert left == 0


FORCE = {"tool_name": "Bash", "tool_input": {"command": "git push --force"}, "tool_use_id": "f1", "tool_response": {"stdout": "done"}}


async def forced(api: Api, project: str) -> str:
    """A session that broke the rule against force-pushes, found. Returns its agent's id."""
    session = str(uuid4())
    await hook(api, "PostToolUse", session=session, x_cairn_project=project, **FORCE, **WHERE)
    (found,) = [each for each in await sessions(api, project) if each["external_id"] == session]
    async with patience():
        while not (await api.ask("GET", f"/v1/sessions/{found['id']}/analysis")).json["policies"]:
            await asyncio.sleep(0.05)
    return session


async def test_a_broken_rule_is_told_once_by_its_words_and_events(api: Api) -> None:
    project = name()
    session = await forced(api, project)
    told = await asyncio.gather(*(bash(api, session, number, x_cairn_project=project) for number in range(2, 8)))
    (nudge,) = [each for each in told if each]
    assert "A rule of this project was broken (no-force-push): Nobody's pushed commits are overwritten by force. (event 1)" in nudge
    assert await bash(api, session, 9, x_cairn_project=project) == ""


async def test_a_rule_that_is_only_counted_is_not_told(api: Api) -> None:
    project = name()
    session = await forced(api, project)
    changed = {"switches": [{"id": "no-force-push", "severity": "metric"}]}
    assert (await api.ask("PUT", f"/v1/policies?project={project}", json=changed)).status == 200
    assert await bash(api, session, 2, x_cairn_project=project) == ""


async def test_a_loop_and_a_broken_rule_are_told_in_one_answer(api: Api) -> None:
    project = name()
    session = await forced(api, project)
    (found,) = [each for each in await sessions(api, project) if each["external_id"] == session]
    await loop_found(api, found["id"])
    told = await bash(api, session, 2, x_cairn_project=project)
    assert "The same result, four times." in told
    assert "(no-force-push)" in told
    assert len(told) <= 1_000


@pytest.fixture(scope="module")
async def silent(short_folder: Path) -> AsyncIterator[Api]:
    async with serving(short_folder / f"silent{uuid4().hex[:4]}", hooks={"nudges": False}) as made:
        yield made


@pytest.mark.long
async def test_nudges_can_be_turned_off(silent: Api) -> None:
    project = name()
    session, session_id = await started(silent, project)
    await loop_found(silent, session_id)
    assert await bash(silent, session, 2, x_cairn_project=project) == ""
