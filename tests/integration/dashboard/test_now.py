"""The page "Now": sessions that go on, with what they do, cost and teach; whose are captured; who sees what; nothing crosses teams."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from sqlalchemy import text

from tests.integration.api.conftest import Api, generic, lesson
from tests.integration.api.test_api_hooks import hook
from tests.integration.dashboard.conftest import Door, key_of
from tests.integration.dashboard.test_items import page
from tests.integration.dashboard.test_sessions import log_call
from tests.performance.page_checks import OVERFLOW
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import fill_in_key, signed_in
from tests.waiting import PATIENCE_SECONDS, patience

NOW = "/dashboard/now"


def team_name() -> str:
    return f"t{uuid4().hex[:10]}"


def sections(found: str) -> tuple[str, str]:
    """The cards of what goes on, and of whose sessions are captured, without isolates and titles."""
    plain = re.sub(r"</?bdi[^>]*>", "", found)
    under_way, captures = (plain.split(f'id="{name}"')[1].split("</section>")[0] for name in ("under-way", "captures"))
    return under_way, captures


async def shown(api: Api, http: aiohttp.ClientSession, query: str = "") -> tuple[str, str]:
    status, found = await page(http, api, f"{NOW}{query}")
    assert status == 200, found
    return sections(found)


async def member(api: Api, team: str, role: str) -> tuple[str, str]:
    """A new developer of the team: their name and key."""
    await api.ask("POST", "/v1/teams", json={"name": team})
    name = f"{role}-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": team, "role": role})).status == 201
    return name, await key_of(api, name)


async def working(api: Api, key: str, session: str, **where: str) -> None:
    """A session that a hook tells of: a prompt, and a command that fails."""
    where = where or {"x_cairn_project": "shop"}
    cwd = "/home/ada/shop"
    await hook(
        api, "UserPromptSubmit", session=session, key=key, cwd=cwd, prompt="Mend the <b>pool</b> of payments.\nAnd its tests.", **where
    )
    tool: dict[str, Any] = {"tool_name": "Edit", "tool_input": {"file_path": f"{cwd}/app/<i>pool.py"}, "tool_use_id": "1"}
    await hook(api, "PostToolUse", session=session, key=key, cwd=cwd, **tool, tool_response="done")
    run: dict[str, Any] = {"tool_name": "Bash", "tool_input": {"command": "pytest tests/<u>pool"}, "tool_use_id": "2"}
    await hook(api, "PostToolUseFailure", session=session, key=key, cwd=cwd, **run, error="1 failed", is_interrupt=False)


async def test_a_session_that_goes_on_shows_what_it_does(api: Api) -> None:
    team, session = team_name(), str(uuid4())
    name, key = await member(api, team, "developer")
    await working(api, key, session)
    async with signed_in(api, key) as http:
        under_way, _ = await shown(api, http)
    assert "1 session running now" in under_way
    for part in (
        "Mend the &lt;b&gt;pool&lt;/b&gt; of payments.",
        "pytest tests/&lt;u&gt;pool",
        ">failed<",
        "app/&lt;i&gt;pool.py",
        "shop",
        "claude-code",
        name,
    ):
        assert part in under_way, part
    assert "And its tests" not in under_way
    assert "/home/ada/shop/app" not in under_way
    assert not re.search(r"<(b|u|i)>", under_way)


async def test_what_it_costs_is_shown_to_who_may_know(api: Api) -> None:
    team, session = team_name(), str(uuid4())
    name, key = await member(api, team, "developer")
    keys = {role: (await member(api, team, role))[1] for role in ("developer", "lead", "auditor")}
    await working(api, key, session)
    await log_call(api, name, session, 250_000_000)
    await log_call(api, name, session, 30_000_000, agent="tests")
    await log_call(api, name, str(uuid4()), 990_000_000)
    for role, who in (keys | {"owner": key}).items():
        async with signed_in(api, who) as http:
            under_way, _ = await shown(api, http)
        assert ("$0.28" in under_way and "2 calls" in under_way) == (role != "developer"), role
        assert ("none that you may see" in under_way) == (role == "developer"), role


async def test_a_sub_agents_transcript_of_its_own_has_its_own_calls(api: Api) -> None:
    team, session, agent = team_name(), str(uuid4()), str(uuid4())
    name, key = await member(api, team, "developer")
    for each in (session, agent):
        await working(api, key, each)
    await log_call(api, name, session, 100_000_000, agent=agent)
    async with signed_in(api, key) as http:
        under_way, _ = await shown(api, http)
    assert under_way.count("$0.10") == 2


async def test_what_was_learnt_from_it_is_shown(api: Api) -> None:
    team, topic = team_name(), f"t{uuid4().hex[:8]}"
    _, key = await member(api, team, "developer")
    sent = await api.ask("POST", f"/v1/sessions/{topic}/events?project=shop", key=key, data=lesson(topic))
    assert sent.status == 202, sent.text
    async with signed_in(api, key) as http, patience():
        while "/knowledge/items/" not in (found := (await shown(api, http))[0]):
            await asyncio.sleep(0.1)
        assert topic in found.split("Learnt")[1]


async def test_what_ended_or_was_purged_is_not_under_way(api: Api) -> None:
    team, topic = team_name(), f"t{uuid4().hex[:8]}"
    _, key = await member(api, team, "developer")
    for name, minutes in ((f"old-{topic}", 40), (f"new-{topic}", 2)):
        at = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
        event = json.dumps({"id": "1", "role": "user", "text": f"Said in {name}", "timestamp": at})
        sent = await api.ask("POST", f"/v1/sessions/{name}/events", key=key, data=event)
        assert sent.status == 202, sent.text
    async with signed_in(api, key) as http:
        under_way, _ = await shown(api, http)
        assert ("1 session running now" in under_way, f"Said in new-{topic}" in under_way, f"old-{topic}" in under_way) == (
            True,
            True,
            False,
        )
        assert (await api.ask("DELETE", f"/v1/sessions/{sent.json['session_id']}", key=key)).status == 200
        under_way, _ = await shown(api, http)
        assert "No session is running now" in under_way
        assert topic not in under_way


async def test_a_history_without_times_that_is_uploaded_now_is_not_under_way(api: Api) -> None:
    team = team_name()
    _, key = await member(api, team, "developer")
    await api.ingest(generic(("1", "user", "An old one, of last year.")), key=key, project="shop", modified_at="2025-11-01T00:00:00Z")
    async with signed_in(api, key) as http:
        assert "No session is running now" in (await shown(api, http))[0]


async def test_an_empty_page_says_what_to_do(api: Api) -> None:
    _, key = await member(api, team_name(), "developer")
    async with signed_in(api, key) as http:
        under_way, owners = await shown(api, http)
        assert all(part in under_way for part in ("No session is running now", "cairn connect", "cairn watch"))
        assert "nothing captured" in owners
        assert "choose all projects" in (await shown(api, http, "?project=nowhere%00"))[0]
    _, auditor = await member(api, team_name(), "auditor")
    async with signed_in(api, auditor) as http:
        assert "can read sessions, but not send them" in (await shown(api, http))[1]
    async with aiohttp.ClientSession() as http:
        assert (await page(http, api, NOW))[0] == 303


async def test_nothing_crosses_teams(api: Api) -> None:
    teams = {team_name(): str(uuid4()) for _ in range(2)}
    members = {team: await member(api, team, "lead") for team in teams}
    for team, session in teams.items():
        await working(api, members[team][1], session, x_cairn_project=f"of-{team}")
    for team in teams:
        other = next(each for each in teams if each != team)
        async with signed_in(api, members[team][1]) as http:
            assert (await page(http, api, f"{NOW}?team={other}"))[0] == 403
            for query in ("", f"?project=of-{other}"):
                under_way, owners = await shown(api, http, query)
                assert "running now" in under_way
                assert not any(part in under_way + owners for part in (members[other][0], f"of-{other}", teams[other])), query
            mark = (await page(http, api, NOW))[1].split('data-mark="')[1].split('"')[0]
        async with signed_in(api, api.key) as http:
            under_way, owners = await shown(api, http, f"?team={team}")
            assert members[team][0] in under_way
            assert members[team][0] in owners
            assert members[other][0] not in under_way + owners
            assert f'data-mark="{mark}"' in (await page(http, api, f"{NOW}?team={team}"))[1]


async def test_the_page_of_a_project_shows_only_its_sessions(api: Api) -> None:
    team = team_name()
    _, key = await member(api, team, "developer")
    for project in ("red", "blue"):
        await hook(api, "UserPromptSubmit", session=str(uuid4()), key=key, prompt=f"Work on {project}.", x_cairn_project=project)
    async with signed_in(api, key) as http:
        both, _ = await shown(api, http)
        assert ("Work on red." in both, "Work on blue." in both) == (True, True)
        one, _ = await shown(api, http, "?project=red")
        assert ("Work on red." in one, "Work on blue." in one) == (True, False)


async def test_the_page_is_told_of_events_of_what_is_learnt_and_of_silence(api: Api) -> None:
    team, session = team_name(), str(uuid4())
    name, key = await member(api, team, "developer")
    _, colleague = await member(api, team, "developer")
    marks: list[str] = []

    async def mark(who: aiohttp.ClientSession) -> str:
        return (await page(who, api, NOW))[1].split('data-mark="')[1].split('"')[0]

    async with signed_in(api, key) as http, signed_in(api, colleague) as other:
        marks.append(await mark(http))
        await working(api, key, session)
        marks.append(await mark(http))
        before = await mark(other)
        await log_call(api, name, session, 250_000_000)
        marks.append(await mark(http))
        assert await mark(other) == before, "a colleague isn't even told that a call was made"
        async with api.services.database.begin() as connection:
            late = text("update sessions set ended_at = ended_at - interval '1 hour' where external_id = :session")
            await connection.execute(late, {"session": session})
        marks.append(await mark(http))
    assert len(set(marks)) == 3 + (marks[3] != marks[0])
    assert marks[3] not in marks[1:3]


async def captures(api: Api, key: str) -> list[tuple[str | None, str | None, list[str], int, bool]]:
    reply = await api.ask("GET", "/v1/captures", key=key)
    assert reply.status == 200, reply.text
    return [
        (each["developer"], each["agent"], [one["way"] for one in each["ways"]], each["sessions"], each["silent"])
        for each in reply.json["captures"]
    ]


async def test_whose_sessions_are_captured_is_told_by_way(api: Api) -> None:
    team, session = team_name(), str(uuid4())
    name, key = await member(api, team, "developer")
    quiet, own = await member(api, team, "developer")
    lead, leads = await member(api, team, "lead")
    assert await captures(api, key) == [(name, None, [], 0, False)]
    await working(api, key, session)
    record = {"type": "user", "uuid": "u-1", "sessionId": session, "cwd": "/home/ada/shop", "message": {"content": "And one more thing."}}
    lines = {**record, "timestamp": datetime.now(UTC).isoformat()}
    query = {"source": session, "name": "s.jsonl", "format": "claude-code", "offset": "0"}
    sent = await api.ask("POST", "/v1/sessions/transcript-lines", key=key, data=json.dumps(lines).encode() + b"\n", params=query)
    assert sent.json["events"] == 1, sent.text
    await api.ask("POST", f"/v1/sessions/{session}/events", key=key, data=generic(("1", "user", "By a program.")))
    await api.ingest((generic(("1", "user", "By a file."))), key=key, project="shop", name="f.jsonl")
    found = {agent: (developer, sorted(ways), silent) for developer, agent, ways, _, silent in await captures(api, key)}
    assert found == {"claude-code": (name, ["hook", "watch"], False), "generic": (name, ["events", "upload"], False)}
    assert {each[:2] for each in await captures(api, leads)} == {(name, "claude-code"), (name, "generic"), (quiet, None), (lead, None)}
    assert await captures(api, own) == [(quiet, None, [], 0, False)]
    async with signed_in(api, leads) as http:
        _, card = await shown(api, http)
        assert all(part in card for part in (name, quiet, "hooks", "watch", "upload", "nothing captured"))
    async with signed_in(api, own) as http:
        assert name not in (await shown(api, http))[1]


async def test_an_auditor_and_a_developer_are_told_of_their_own_captures_alone(api: Api) -> None:
    team = team_name()
    name, key = await member(api, team, "developer")
    _, auditor = await member(api, team, "auditor")
    await working(api, key, str(uuid4()))
    assert await captures(api, auditor) == []
    assert [each[0] for each in await captures(api, key)] == [name]


async def test_who_has_been_silent_for_long_is_shown_so(api: Api) -> None:
    team = team_name()
    name, key = await member(api, team, "developer")
    await working(api, key, str(uuid4()))
    async with api.services.database.begin() as connection:
        owner = text("select id from developers where name = :name")
        developer = await connection.scalar(owner, {"name": name})
        await connection.execute(text("update captures set last_at = now() - interval '8 days' where owner_id = :id"), {"id": developer})
        assert [each[4] for each in await captures(api, key)] == [False], "its last event is of today"
        await connection.execute(
            text("update sessions set ended_at = now() - interval '31 days' where developer_id = :id"), {"id": developer}
        )
    assert await captures(api, key) == [(name, "claude-code", ["hook"], 0, True)]
    async with signed_in(api, key) as http:
        assert ">silent<" in (await shown(api, http))[1]


async def test_what_was_silent_for_longer_than_is_counted_keeps_its_ways_alone(api: Api) -> None:
    team = team_name()
    name, key = await member(api, team, "developer")
    await working(api, key, str(uuid4()))
    async with api.services.database.begin() as connection:
        developer = await connection.scalar(text("select id from developers where name = :name"), {"name": name})
        long_ago = "now() - interval '31 days'"
        await connection.execute(text(f"update captures set last_at = {long_ago} where owner_id = :id"), {"id": developer})
        await connection.execute(text(f"update sessions set updated_at = {long_ago} where developer_id = :id"), {"id": developer})
    (found,) = (await api.ask("GET", "/v1/captures", key=key)).json["captures"]
    assert (found["agent"], found["sessions"], found["last_event_at"], found["silent"]) == ("claude-code", 0, None, True)
    async with signed_in(api, key) as http:
        assert "none recently" in (await shown(api, http))[1]


async def test_a_removed_developers_sessions_are_not_said_to_be_the_admin_keys(api: Api) -> None:
    team = team_name()
    name, key = await member(api, team, "developer")
    _, leads = await member(api, team, "lead")
    await working(api, key, str(uuid4()))
    async with api.services.database.begin() as connection:
        developer = await connection.scalar(text("select id from developers where name = :name"), {"name": name})
        await connection.execute(text("delete from developers where id = :id"), {"id": developer})
        assert await connection.scalar(text("select count(*) from captures where owner_id = :id"), {"id": developer}) == 0
    async with signed_in(api, leads) as http:
        for card in await shown(api, http):
            assert "admin key, or a removed developer" in card
            assert card.count("admin key") == 1


async def live(api: Api, http: aiohttp.ClientSession, since: str, project: str) -> str:
    """What the page's feed says first."""
    asked = {"of": "now", "since": since, "project": project}
    async with patience(), http.get(f"{api.url}/dashboard/live", params=asked) as stream:
        async for line in stream.content:
            if line.startswith((b"event:", b":")):
                return line.decode().strip()
    return ""


async def test_the_page_of_a_project_is_told_of_its_sessions_however_many_others_go_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.under_way.MAX_SESSIONS", 1)
    team = team_name()
    _, key = await member(api, team, "developer")

    async def work(project: str) -> None:
        await hook(api, "UserPromptSubmit", session=str(uuid4()), key=key, prompt="Work on it.", x_cairn_project=project)

    async def mark(http: aiohttp.ClientSession, project: str) -> str:
        return (await page(http, api, f"{NOW}?project={project}"))[1].split('data-mark="')[1].split('"')[0]

    async with signed_in(api, key) as http:
        for project in ("red", "blue", "blue", "blue"):
            await work(project)
        red, blue = await mark(http, "red"), await mark(http, "blue")
        assert await mark(http, "red") == red
        async with api.services.database.begin() as connection:
            of_red = "project_id in (select p.id from projects p join teams t on t.id = p.team_id where t.name = :team and p.name = 'red')"
            await connection.execute(text(f"update sessions set revision = revision + 1 where {of_red}"), {"team": team})
        assert await mark(http, "red") != red
        assert await mark(http, "blue") == blue
        assert await live(api, http, red, "red") == "event: changed"


async def test_the_page_is_told_of_captures_where_no_session_is_under_way(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    team = team_name()
    _, key = await member(api, team, "developer")

    async def mark() -> str:
        async with signed_in(api, key) as http:
            return (await page(http, api, NOW))[1].split('data-mark="')[1].split('"')[0]

    before = await mark()
    await api.ingest(generic(("1", "user", "An old one.")), key=key, project="shop", modified_at="2025-11-01T00:00:00Z")
    monkeypatch.setattr(api.services.sessions.captures, "_lately", {})  # a minute later
    assert await mark() != before


@asynccontextmanager
async def without_scripts(door: Door, key: str) -> AsyncIterator[tuple[int, str]]:
    """The page as a browser without JavaScript shows it: its width beyond the window, and its text."""
    context = await door.chromium.new_context(java_script_enabled=False, viewport={"width": 400, "height": 800})
    sheet = await context.new_page()
    await fill_in_key(sheet, door.api, key)
    await sheet.goto(door.api.url + NOW)
    try:
        box = await sheet.locator("main").bounding_box()
        assert box is not None
        yield round(box["width"]), await sheet.inner_text("main")
    finally:
        await context.close()


@pytest.mark.slow
async def test_in_a_browser_the_page_follows_what_happens(door: Door) -> None:
    team, session = team_name(), str(uuid4())
    _, key = await member(door.api, team, "developer")
    async with door.visit(key) as visit:
        await visit.page.click("nav >> text=Now")
        await visit.page.wait_for_selector("h2:text('No session is running now')")
        assert not await violations(visit.page, "now, empty")
        await working(door.api, key, session)
        await visit.page.wait_for_selector("code:has-text('pytest tests/<u>pool')", timeout=PATIENCE_SECONDS * 1000)
        assert not await violations(visit.page, "now")
        link = visit.page.locator("#under-way h3 a")
        await link.focus()
        await hook(door.api, "UserPromptSubmit", session=session, key=key, prompt="Now the docs.", cwd="/home/ada/shop")
        await visit.page.wait_for_selector("dd:text-is('Now the docs.')", timeout=PATIENCE_SECONDS * 1000)
        assert await visit.page.evaluate("() => document.activeElement.id") == await link.get_attribute("id"), "the focus stays"
        await visit.shot("now")
        await link.click()
        await visit.page.wait_for_selector("#events article >> text=Now the docs.")
    for dark, width in ((True, 1280), (False, 400), (False, 360)):
        async with door.visit(key, width=width, dark=dark) as visit:
            await visit.go(NOW)
            assert not await violations(visit.page, f"now, {width}")
            assert not await visit.page.evaluate(OVERFLOW)
            await visit.shot(f"now-{width}{'-dark' if dark else ''}")


@pytest.mark.slow
async def test_without_scripts_the_page_can_be_read(door: Door) -> None:
    team = team_name()
    name, key = await member(door.api, team, "developer")
    await working(door.api, key, str(uuid4()))
    async with without_scripts(door, key) as (width, said):
        assert width <= 400
        assert all(part in said for part in ("1 session running now", "Mend the <b>pool</b> of payments.", name, "reload it"))
