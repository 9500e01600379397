"""What was said in a session is shown to its developer; to others where their team turned that on, and each reading is recorded."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from unittest.mock import patch
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest
from mcp.shared.exceptions import MCPError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.accounts.prompts import PromptAudit
from app.errors import Unavailable
from tests.integration.api.conftest import Api, Reply, generic
from tests.integration.api.test_mcp import client
from tests.signing_in import signed_in

ROLES = {"ada": "developer", "bo": "developer", "lead": "lead", "auditor": "auditor", "boss": "admin"}


@dataclass(slots=True)
class Team:
    """A team with somebody of each role, and one project of its own. `keys`: by the part of the name before the dash."""

    api: Api
    name: str = field(default_factory=lambda: f"t{uuid4().hex[:10]}")
    project: str = field(default_factory=lambda: f"shop{uuid4().hex[:8]}")
    keys: dict[str, str] = field(default_factory=dict)

    def who(self, person: str) -> str:
        return f"{person}-{self.name}"

    async def ask(self, person: str, method: str, path: str, **options: Any) -> Reply:
        return await self.api.ask(method, path, key=self.keys[person], **options)

    async def send(self, *said: tuple[str, str], person: str = "ada", project: str | None = None, at: datetime | None = None) -> str:
        """A session of these roles and texts, which began now or at that time. Returns its id."""
        moment = (at or datetime.now(UTC)).isoformat()
        events = [
            {"id": f"{number}", "role": role, "text": words, "timestamp": moment} for number, (role, words) in enumerate(said, start=1)
        ]
        body = "".join(json.dumps(each) + "\n" for each in events)
        path = f"/v1/sessions/{uuid4().hex}/events?project={project or self.project}"
        sent = await self.ask(person, "POST", path, data=body)
        assert sent.status == 202, sent.text
        return str(sent.json["session_id"])

    async def project_id(self, name: str | None = None) -> str:
        listed = (await self.ask("lead", "GET", "/v1/projects")).json["projects"]
        return str(next(each["id"] for each in listed if each["name"] == (name or self.project)))

    async def switch(self, show: bool, *, person: str = "lead") -> Reply:
        return await self.ask(person, "PATCH", f"/v1/projects/{await self.project_id()}", json={"show_prompts": show})

    async def audit(self, person: str = "auditor", query: str = "") -> list[dict[str, Any]]:
        reply = await self.ask(person, "GET", f"/v1/audit/prompts{query}")
        assert reply.status == 200, reply.text
        return list(reply.json["entries"])

    async def page(self, person: str, path: str) -> tuple[int, str]:
        async with self.browser(person) as http, http.get(f"{self.api.url}/dashboard{path}") as reply:
            return reply.status, await reply.text()

    def browser(self, person: str) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
        return signed_in(self.api, self.keys[person])


@pytest.fixture
async def team(api: Api) -> Team:
    made = Team(api)
    assert (await api.ask("POST", "/v1/teams", json={"name": made.name})).status == 201
    for person, role in ROLES.items():
        body = {"name": made.who(person), "team": made.name, "role": role}
        assert (await api.ask("POST", "/v1/developers", json=body)).status == 201
        made.keys[person] = (await api.ask("POST", f"/v1/developers/{made.who(person)}/keys")).json["key"]
    return made


async def test_unless_a_team_turns_it_on_only_the_developer_sees_what_was_said(team: Team) -> None:
    session = await team.send(("user", "Why is the sky green?"), ("assistant", "It is blue."))
    for person in ROLES:
        status, page = await team.page(person, f"/sessions/{session}")
        assert (status, "sky green" in page, "It is blue" in page) == (200, person == "ada", person == "ada"), person
        assert ("What was said isn" in page) == (person != "ada")
        stream = (await team.ask(person, "GET", f"/v1/sessions/{session}/stream?seconds=0")).text
        assert ('"seq":1' in stream.replace(" ", ""), "sky green" in stream) == (True, person == "ada"), person
        async with client(team.api, team.keys[person], project=team.project) as opened:
            said = (await opened.read_resource(f"cairn://session/{session}")).contents[0].text  # type: ignore[union-attr]
        assert ("sky green" in said) == (person == "ada"), person
    assert await team.audit() == []


async def test_leads_and_admins_switch_it_and_each_switch_is_told_to_everybody(team: Team) -> None:
    await team.send(("user", "Hello"))
    assert {person: (await team.switch(True, person=person)).status for person in ("ada", "auditor")} == {"ada": 403, "auditor": 403}
    on = await team.switch(True)
    assert (on.status, on.json["prompts_shown_since"] is not None) == (200, True)
    again = await team.switch(True, person="boss")
    assert again.json["prompts_shown_since"] == on.json["prompts_shown_since"], "what is so already stays"
    assert (await team.ask("ada", "GET", "/v1/me")).json["shows_prompts"] == [team.project]
    assert (await team.switch(False, person="boss")).json["prompts_shown_since"] is None
    assert (await team.ask("ada", "GET", "/v1/me")).json["shows_prompts"] == []
    told = [(each["action"], each["by"], each["project"]) for each in await team.audit("bo")]
    assert told == [("hidden", team.who("boss"), team.project), ("shown", team.who("lead"), team.project)]
    for body in ({"show_prompts": "yes"}, {"show_prompts": 1}):
        refused = await team.ask("lead", "PATCH", f"/v1/projects/{await team.project_id()}", json=body)
        assert (refused.status, refused.error["param"]) == (422, "show_prompts")


async def test_only_sessions_that_began_since_are_shown_and_each_reading_is_recorded(team: Team) -> None:
    before = await team.send(("user", "Said before anybody was told."))
    assert (await team.switch(True)).status == 200
    backdated = await team.send(("user", "Said long ago, sent late."), at=datetime.now(UTC) - timedelta(days=3))
    session = await team.send(("user", "Said since."), ("assistant", "Answered since."))
    for old in (before, backdated):
        _, page = await team.page("lead", f"/sessions/{old}")
        assert ("Said" in page.split('id="events"')[1], "it began before" in page) == (False, True)
    for person in ("lead", "auditor", "boss"):
        _, page = await team.page(person, f"/sessions/{session}")
        assert "Answered since." in page
        assert "recorded" in page
    _, page = await team.page("bo", f"/sessions/{session}")
    assert "Said since." not in page
    read = [(each["by"], each["author"], each["session_id"], each["first_event"], each["last_event"]) for each in await team.audit()][:-1]
    assert read == [(team.who(each), team.who("ada"), session, 1, 2) for each in ("boss", "auditor", "lead")]
    assert [each["by"] for each in await team.audit("ada", "?action=read")] == [team.who(each) for each in ("boss", "auditor", "lead")]
    assert [each["action"] for each in await team.audit("bo")] == ["shown"], "others' readings concern nobody else"
    assert [each["action"] for each in await team.audit("lead")] == ["read", "shown"], "a lead sees their own"
    _, page = await team.page("ada", "/prompts")
    assert page.count("read a session") >= 3
    await team.page("ada", f"/sessions/{session}")
    assert len(await team.audit(query="?action=read")) == 3, "one's own session is nobody's business"
    assert (await team.switch(False)).status == 200
    _, page = await team.page("lead", f"/sessions/{session}")
    assert "Said since." not in page
    assert (await team.switch(True)).status == 200
    _, page = await team.page("lead", f"/sessions/{session}")
    assert "Said since." not in page, "the period begins anew"


async def test_nothing_is_shown_that_cannot_be_recorded(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    session = await team.send(("user", "Said since."))

    async def fails(*_: object) -> None:
        raise Unavailable("The database is away.")

    with patch.object(PromptAudit, "record_reading", fails):
        status, page = await team.page("lead", f"/sessions/{session}")
    assert (status >= 500, "Said since." in page) == (True, False)


async def test_a_role_that_was_taken_a_moment_ago_reads_nothing(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    session = await team.send(("user", "Said since."))
    taken = "update developers set role = 'developer' where name = :name"
    record = PromptAudit.record_reading

    async def meanwhile(self: PromptAudit, *given: Any) -> None:
        async with team.api.services.database.begin() as connection:
            await connection.execute(text(taken), {"name": team.who("lead")})
        await record(self, *given)

    with patch.object(PromptAudit, "record_reading", meanwhile):  # after the page was allowed to her, before it is shown
        status, page = await team.page("lead", f"/sessions/{session}")
    assert (status, "Said since." in page, "any more" in page) == (403, False, True)
    status, page = await team.page("lead", f"/sessions/{session}")
    assert (status, "Said since." in page) == (200, False)
    assert await team.audit(query="?action=read") == []


async def test_a_session_that_a_merge_took_a_moment_ago_is_not_read_by_the_old_switch(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    session, into = await team.send(("user", "Said since.")), f"other{uuid4().hex[:8]}"
    await team.send(("user", "Of one that shows nothing."), project=into)
    target, record = await team.project_id(into), PromptAudit.record_reading
    gone = await team.project_id()

    async def meanwhile(self: PromptAudit, *given: Any) -> None:
        assert (await team.ask("boss", "POST", f"/v1/projects/{gone}/merge", json={"into": target})).status == 200
        await record(self, *given)

    with patch.object(PromptAudit, "record_reading", meanwhile):
        status, page = await team.page("lead", f"/sessions/{session}")
    assert (status, "Said since." in page, "any more" in page) == (403, False, True)
    assert await team.audit(query="?action=read") == []


async def test_a_session_begins_with_nothing_that_was_asked_or_answered_in_anothers(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)  # read on a page it would be recorded
    await team.send(("user", "Why is my heart so heavy?"), ("assistant", "Because of the quay."))
    words, path = ("heart so heavy", "Because of the quay"), f"/v1/context/session?project={team.project}"
    for person in ROLES:
        told = await team.ask(person, "GET", path)
        assert told.status == 200
        assert [each in told.text for each in words] == [person == "ada"] * 2, person
    for person in ("ada", "lead"):
        async with client(team.api, team.keys[person], project=team.project) as opened:
            told_by_tool = str(await opened.call_tool("session_context", {}))
        assert [each in told_by_tool for each in words] == [person == "ada"] * 2, person


async def test_entries_of_a_merged_project_stand_with_the_one_it_was_merged_into(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    into = f"other{uuid4().hex[:8]}"
    await team.send(("user", "Hello"), project=into)
    target = await team.project_id(into)
    await team.ask("boss", "POST", f"/v1/projects/{await team.project_id()}/merge", json={"into": target})
    (entry,) = await team.audit(query=f"?project={into}")
    assert (entry["action"], entry["project"]) == ("shown", team.project)


async def test_entries_are_never_changed_or_deleted_and_outlive_the_session(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    session = await team.send(("user", "A secret plan."))
    await team.page("lead", f"/sessions/{session}")
    for change in ("update prompt_audit set by_id = null", "delete from prompt_audit"):
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            async with team.api.services.database.begin() as connection:
                await connection.execute(text(f"{change} where session_id = :session"), {"session": session})
    assert (await team.ask("ada", "DELETE", f"/v1/sessions/{session}")).status == 200
    (entry,) = await team.audit(query="?action=read")
    assert (entry["session_id"], entry["by"], "secret plan" in json.dumps(entry)) == (session, team.who("lead"), False)
    status, page = await team.page("lead", f"/sessions/{session}")
    assert (status, "There is no session" in page) == (404, True)
    _, page = await team.page("ada", "/prompts")
    assert session[:8] in page


async def test_a_merge_shows_nobody_what_was_said_before(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    shown, other = await team.send(("user", "Of the shown one.")), f"other{uuid4().hex[:8]}"
    hidden = await team.send(("user", "Of the hidden one."), project=other)
    body = {"into": await team.project_id()}
    merged = await team.ask("boss", "POST", f"/v1/projects/{await team.project_id(other)}/merge", json=body)
    assert merged.status == 200, merged.text
    for session in (shown, hidden):
        _, page = await team.page("lead", f"/sessions/{session}")
        assert "it began before" in page
    assert [each["action"] for each in await team.audit("bo")] == ["merged", "shown"]
    later = await team.send(("user", "Said after the merge."))
    assert "Said after the merge." in (await team.page("lead", f"/sessions/{later}"))[1]
    status, page = await team.page("lead", f"/sessions?project={other}")
    assert (status, "was merged" in page, later in page) == (200, True, True)


async def test_hostile_and_huge_prompts_are_quoted_folded_and_cut(team: Team) -> None:
    await team.send(("user", "Hello"))
    await team.switch(True)
    hostile = "<script>alert(1)</script>\u202egnp.exe </pre><img src=x onerror=alert(1)>"
    quotes = [("assistant", "<" * 6000) for _ in range(12)]
    session = await team.send(("user", hostile), ("user", "A long prompt."), *quotes)
    async with team.api.services.database.begin() as connection:  # sent, it would be embedded for minutes
        huge = "update events set text = repeat('A long prompt. ', 350000) where session_id = :session and seq = 2"
        await connection.execute(text(huge), {"session": session})
    seen, place = "", f"/sessions/{session}"
    for _ in range(20):
        status, page = await team.page("lead", place)
        assert status == 200
        assert len(page.encode()) <= 150_000
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        seen += page
        links = page.split('id="later" href="')[1:]
        if not links:
            break
        place = links[0].split('"')[0].removeprefix("/dashboard").replace("&amp;", "&")
    assert "&lt;script&gt;alert(1)" in seen
    assert '<details class="folded">' in seen
    assert seen.count("<b>Agent</b>") == 12, "each is on one page"
    read = await team.audit(query="?action=read")
    assert min(each["first_event"] for each in read) == 1
    assert max(each["last_event"] for each in read) == 14


async def test_the_pages_switch_and_refuse_as_the_route_does(team: Team) -> None:
    await team.send(("user", "Hello"))
    path = f"{team.api.url}/dashboard/projects/{await team.project_id()}/prompts"
    for person, status in (("lead", 200), ("bo", 403), ("auditor", 403)):
        async with team.browser(person) as http:
            async with http.get(path) as reply:
                page = await reply.text()
                assert ("Show prompts of new sessions" in page) == (person == "lead")
            async with http.get(f"{team.api.url}/dashboard/prompts") as reply:
                token = (await reply.text()).split('name="csrf" value="')[1].split('"')[0]
            async with http.post(path, data={"csrf": token, "show": "maybe"}) as reply:
                assert reply.status == 422
            async with http.post(path, data={"show": "yes"}) as reply:
                assert reply.status == 403
            async with http.post(path, data={"csrf": token, "show": "yes"}) as reply:
                assert reply.status == status, person
                if person == "lead":
                    assert "Shown since" in await reply.text()
    for nowhere in ("nowhere", uuid4()):
        assert (await team.page("lead", f"/projects/{nowhere}/prompts"))[0] == 404
    for nonsense in ("since=x", "project=%00", "developer=nobody", "action=x", "before=x", f"before={10**30}", "until=2999-99-99"):
        status, page = await team.page("auditor", f"/prompts?{nonsense}")
        assert (status, "nearest view" in page) == (200, True), nonsense


@pytest.mark.parametrize("name", ["a/b", "a/../b", "%2f", "x/prompts", "? #&", "..;/x", "<b>"])
async def test_a_projects_page_of_prompts_is_found_whatever_the_project_is_called(team: Team, name: str) -> None:
    session = await team.send(("user", "Hello"), project=quote(name, safe=""), person="bo")
    path = f"/projects/{await team.project_id(name)}/prompts"
    _, hidden = await team.page("lead", f"/sessions/{session}")
    assert f'href="/dashboard{path}"' in hidden
    status, page = await team.page("lead", path)
    assert (status, escape(name) in page) == (200, True)


async def test_an_admins_export_of_anothers_sessions_is_recorded(team: Team) -> None:
    await team.send(("user", "Hello"))
    assert (await team.ask("ada", "GET", f"/v1/developers/{team.who('ada')}/export")).status == 200
    assert await team.audit() == []
    assert (await team.ask("boss", "GET", f"/v1/developers/{team.who('ada')}/export")).status == 200
    assert [(each["action"], each["by"], each["author"]) for each in await team.audit("ada")] == [
        ("exported", team.who("boss"), team.who("ada"))
    ]


async def test_another_team_sees_no_entry_and_pages_lead_through_all(team: Team, api: Api) -> None:
    await team.send(("user", "Hello"))
    for show in (True, False, True, False, True):
        await team.switch(show)
    found, query = list[str](), "?limit=2"
    for _ in range(5):
        reply = (await team.ask("auditor", "GET", f"/v1/audit/prompts{query}")).json
        found += [each["action"] for each in reply["entries"]]
        if reply["next_cursor"] is None:
            break
        query = f"?limit=2&cursor={reply['next_cursor']}"
    assert found == ["shown", "hidden", "shown", "hidden", "shown"]
    elsewhere = await api.developer(f"elsewhere-{team.name}")
    assert (await api.ask("GET", "/v1/audit/prompts", key=elsewhere)).json["entries"] == []
    for wrong in ("developer=nobody", "action=x", "since=x", "cursor=x", "colour=red"):
        assert (await team.ask("auditor", "GET", f"/v1/audit/prompts?{wrong}")).status in {404, 422}, wrong


async def test_a_session_of_another_team_is_not_read_over_mcp(team: Team, api: Api) -> None:
    session = await team.send(("user", "Hello"))
    async with client(api, await api.developer(f"elsewhere-{team.name}"), project=team.project) as opened:
        with pytest.raises(MCPError):
            await opened.read_resource(f"cairn://session/{session}")


async def test_sessions_are_found_by_developer_and_by_what_was_said_or_learnt(team: Team) -> None:
    word = f"zebra{uuid4().hex[:8]}"
    one = await team.send(("user", f"Why does the {word} parser drop its last line at night?"))
    two = await team.send(("user", "Nothing of note."), person="bo")
    found = await team.api.ingest(
        generic(("1", "user", f"How do I configure {word}?"), ("2", "assistant", f"Root cause: {word} was unset. Fix: I set {word}=1.")),
        key=team.keys["bo"],
        project=team.project,
    )
    (three,) = found["result"]["sessions"]

    async def listed(query: str) -> set[str]:
        reply = await team.ask("lead", "GET", f"/v1/sessions?{query}")
        assert reply.status == 200, reply.text
        return {each["id"] for each in reply.json["sessions"]}

    assert await listed(f"developer={team.who('bo')}") == {two, three}
    assert await listed(f"developer={team.who('ada')}&order=oldest") == {one}
    assert three in await listed(f"subject={word}")
    assert two not in await listed(f"subject={word}")
    assert await listed(f"subject={word}&developer={team.who('ada')}") <= {one}
    assert (await team.ask("lead", "GET", "/v1/sessions?developer=nobody")).status == 404
    _, page = await team.page("lead", f"/sessions?subject={word}")
    assert three in page
    _, csv = await team.page("lead", f"/sessions.csv?developer={team.who('bo')}")
    lines = csv.strip().splitlines()
    assert (lines[0].split(",")[0], {line.split(",")[0] for line in lines[1:]}) == ("id", {two, three})
    status, page = await team.page("lead", "/sessions.csv?since=x")
    assert (status, "Write the date as" in page) == (422, True)


async def test_items_are_looked_through_by_state_and_session_and_exported(team: Team) -> None:
    for words in ("The first gotcha is about grease.", "=2+3 is the second gotcha, about cranes."):
        body = {"type": "gotcha", "text": words, "project": team.project}
        assert (await team.ask("ada", "POST", "/v1/knowledge", json=body)).status == 201
    first = (await team.ask("ada", "GET", "/v1/knowledge?subject=grease")).json["items"][0]
    for person in ("ada", "bo"):
        await team.ask(person, "POST", f"/v1/knowledge/{first['id']}/feedback", json={"verdict": "stale"})
    assert [each["id"] for each in (await team.ask("ada", "GET", "/v1/knowledge?state=stale")).json["items"]] == [first["id"]]
    assert len((await team.ask("ada", "GET", "/v1/knowledge?state=recorded")).json["items"]) == 2
    assert (await team.ask("ada", "GET", "/v1/knowledge?state=corrected")).json["items"] == []
    assert (await team.ask("ada", "GET", "/v1/knowledge?state=x")).status == 422
    _, page = await team.page("ada", "/knowledge/items?state=stale")
    assert (first["id"] in page, "cranes" in page) == (True, False)
    for nonsense in ("session=x", "state=x", "type=x", "project=nowhere", "since=x", "since=2999-01-01", "cursor=x"):
        status, page = await team.page("ada", f"/knowledge/items?{nonsense}")
        assert (status, "nearest view" in page) == (200, True), nonsense
    _, csv = await team.page("ada", "/knowledge/items.csv")
    assert len(csv.strip().splitlines()) == 3
    assert "'=2+3" in csv, "no spreadsheet takes it for a formula"
