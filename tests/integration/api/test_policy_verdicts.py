"""Verdicts on policies over HTTP: in a session's analysis, in its stream with what helped before, counted at /metrics, after changed rules."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.assist import earlier_help
from tests.integration.api.conftest import Api
from tests.integration.api.test_api_hooks import known, question
from tests.integration.api.test_session_analysis import analysed, sent
from tests.integration.api.test_shown_prompts import Team, team  # noqa: F401
from tests.waiting import patience

CHECKED = {"id": "checked", "words": "Edits are checked.", "template": "response", "when": "edits", "then": "checks"}
FORCED = [
    {"id": "1", "role": "user", "text": "Publish it"},
    {"id": "2", "role": "tool", "tool": {"name": "Write", "input": "till.py\nx = 2", "output": "written", "exit_code": 0}},
    {"id": "3", "role": "tool", "tool": {"name": "Bash", "input": "git push --force", "output": "done", "exit_code": 0}},
]


def project() -> str:
    return f"pv{uuid4().hex[:8]}"


async def verdict(api: Api, session: str, policy: str, **options: Any) -> dict[str, Any]:
    found = (await api.ask("GET", f"/v1/sessions/{session}/analysis", **options)).json["verdicts"]
    return dict(next(each for each in found if each["policy"] == policy))


async def changed(api: Api, statement: str, session: str) -> None:
    async with api.services.database.begin() as connection:
        await connection.execute(text(statement), {"session": UUID(session)})


async def told(api: Api, session: str, *, key: str = "admin") -> list[dict[str, Any]]:
    """The findings of a session's stream."""
    reply = await api.ask("GET", f"/v1/sessions/{session}/stream?seconds=0", key=key)
    blocks = [each.splitlines() for each in reply.text.split("\n\n") if each.startswith("event: finding")]
    return [json.loads(data[6:]) for _, _, data in blocks]


async def test_an_analysis_has_the_verdicts_on_all_policies(api: Api) -> None:
    name = project()
    session = await sent(api, project=name, events=FORCED)
    found = await analysed(api, session, events=3)
    watched = {each["id"] for each in (await api.ask("GET", f"/v1/policies?project={name}")).json["policies"]}
    assert {each["policy"] for each in found["verdicts"]} == watched
    forced, kept = await verdict(api, session, "no-force-push"), await verdict(api, session, "tests-stay")
    assert forced == {
        "policy": "no-force-push",
        "severity": "alert",
        "verdict": "false",
        "ended": False,
        "broken": 1,
        "gave_up_at": None,
        "evidence": [],
        "because": None,
    }
    assert (kept["verdict"], kept["broken"]) == ("presumably_true", 0)
    await changed(api, "update sessions set updated_at = now() - interval '2 days' where id = :session", session)
    assert (await verdict(api, session, "tests-stay"))["verdict"] == "true"


async def test_what_is_awaited_is_told_in_words_only_to_those_who_see_what_was_said(team: Team) -> None:  # noqa: F811
    await team.ask("ada", "POST", f"/v1/sessions/{uuid4().hex}/events?project={team.project}", data=json.dumps(FORCED[0]))
    assert (await team.ask("lead", "PUT", f"/v1/policies?project={team.project}", json={"policies": [CHECKED]})).status == 200
    session = await sent(team.api, key=team.keys["ada"], project=team.project, events=FORCED[:2])
    await analysed(team.api, session, events=2, key=team.keys["ada"])
    ours, theirs = [await verdict(team.api, session, "checked", key=team.keys[person]) for person in ("ada", "bo")]
    assert (ours["verdict"], ours["evidence"], ours["because"]) == ("presumably_false", [2], "Edits are checked. It hasn't come yet.")
    assert theirs == ours | {"because": None}


@pytest.mark.long
async def test_changed_rules_reach_the_sessions_that_stand(api: Api) -> None:
    name = project()
    session = await sent(api, project=name, events=FORCED)
    await analysed(api, session, events=3)
    sent_rules = {"policies": [CHECKED], "switches": [{"id": "no-force-push", "enabled": False}]}
    assert (await api.ask("PUT", f"/v1/policies?project={name}", json=sent_rules)).status == 200
    async with patience():
        while not (found := (await api.ask("GET", f"/v1/sessions/{session}/analysis")).json)["current"]:
            await asyncio.sleep(0.2)
    assert found["policies"] == []
    assert {"checked": "presumably_false"}.items() <= {each["policy"]: each["verdict"] for each in found["verdicts"]}.items()
    assert "no-force-push" not in {each["policy"] for each in found["verdicts"]}


@pytest.mark.long
async def test_a_server_counts_a_violation_once_and_shows_open_trouble(api: Api) -> None:
    async def figure(metric: str) -> float:
        page = (await api.ask("GET", "/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(metric))

    counter = 'cairn_policy_violations_total{policy="no-force-push"}'
    session = await sent(api, project=project(), events=FORCED)
    await analysed(api, session, events=3)
    before = await figure(counter)
    counted = "update session_policy_violations set due_at = now() where session_id = :session"
    await changed(api, counted, session)
    async with patience():
        while await figure(counter) == before:
            await asyncio.sleep(0.2)
    row = (
        "insert into session_findings (session_id, kind, name, first, team_id, project_id, last, evidence, because, open, told, revision,"
        " tool, ended_at) select id, 'loop', 'period', 1, team_id, project_id, 3, '{1}', 'W.', true, 3, 1, 'bash', now() from sessions"
        " where id = :session"
    )
    await changed(api, row, session)
    assert await figure('cairn_open_trouble{kind="loop",name="period"}') >= 1


async def test_the_stream_tells_what_helped_before_in_ones_own_session(api: Api) -> None:
    topic = await known(api)
    failing = {"name": "Bash", "input": "make", "output": f"Error: {question(topic)}", "exit_code": 1}
    events = [FORCED[0], {"id": "2", "role": "tool", "tool": failing}]
    session = await sent(api, project=topic, events=events)
    await analysed(api, session, events=2)
    row = (
        "insert into session_findings (session_id, kind, name, first, team_id, project_id, last, evidence, because, open, told, revision, tool)"
        " select id, 'loop', 'exact', 2, team_id, project_id, 2, '{2}', 'Four times.', true, 2, 1, 'bash' from sessions where id = :session"
    )
    await changed(api, row, session)
    with patch.object(earlier_help, "SEARCH_SECONDS", 30):  # a busy machine
        (loop,) = [each for each in await told(api, session) if each["kind"] == "loop"]
        (theirs,) = [each for each in await told(api, session, key=await api.developer()) if each["kind"] == "loop"]
    assert loop["helped"], "the project knows of this error"
    assert {each["project"] for each in loop["helped"]} == {topic}
    assert all(each["source"]["session_id"] != session for each in loop["helped"])
    assert (theirs["because"], theirs["helped"]) == (None, [])
    assert all(each["helped"] == [] for each in await told(api, session) if each["kind"] == "activity")
