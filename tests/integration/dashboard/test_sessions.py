"""Sessions in the dashboard: listed and filtered, read on from any place, with what was learnt from each."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.budget.requests import RequestOutcome, RequestRecord
from app.services import browsing
from tests.integration.api.conftest import Api, generic, lesson
from tests.integration.dashboard.conftest import Door
from tests.integration.dashboard.test_items import page
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import signed_in

SESSIONS = "/dashboard/sessions"


async def test_sessions_are_listed_and_filtered(api: Api) -> None:
    name = f"s{uuid4().hex[:8]}"
    for day, team in ((1, "red"), (2, "blue")):
        event = json.dumps({"id": "a", "role": "user", "text": f"{name} asks {team}", "timestamp": f"2026-10-0{day}T12:00:00Z"})
        await api.ask("POST", f"/v1/sessions/{name}-{team}/events?project={name}", data=event)
    async with signed_in(api, api.key) as http:

        async def shown(**query: str) -> set[str]:
            _, found = await page(http, api, f"{SESSIONS}?" + "&".join(f"{key}={value}" for key, value in query.items()))
            return {team for team in ("red", "blue") if f"{name} asks {team}" in found or f"{name}-{team}" in found}

        assert await shown(project=name) == {"red", "blue"}
        assert await shown(project=name, since="2026-10-02") == {"blue"}
        assert await shown(project=name, until="2026-10-02") == {"red"}
        assert await shown(project=name, provider="generic", subject=name) == {"red", "blue"}
        assert await shown(project=name, provider="codex") == set()


async def test_an_export_of_sessions_goes_on_beyond_a_page_and_looks_for_its_words_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "EXPORT_PAGE", 2)
    reader, searches = api.services.knowledge.reader, []
    search = reader.sessions_about

    async def counted(requester: Requester, words: str) -> Collection[UUID]:
        searches.append(words)
        return await search(requester, words)

    monkeypatch.setattr(reader, "sessions_about", counted)
    team, word = f"out{uuid4().hex[:8]}", f"gantry{uuid4().hex[:8]}"
    key = await api.developer(team)
    for number in range(5):
        data = generic((uuid4().hex, "user", f"Does the {word} creak, question {number}?"), (uuid4().hex, "assistant", "It does."))
        assert (await api.ask("POST", f"/v1/sessions/{word}-{number}/events?project=till", key=key, data=data)).status == 202
    async with signed_in(api, key) as http:
        rows = list(csv.DictReader(io.StringIO((await page(http, api, f"{SESSIONS}.csv?subject={word}"))[1])))
    assert (len(rows), len({row["id"] for row in rows})) == (5, 5)
    assert searches == [word]


async def test_a_list_that_cannot_be_says_why_and_an_empty_one_what_to_do(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        for query, says in {
            "since=yesterday": "Write the date as",
            "until=%00": "Write the date as",
            "since=2999-01-01": "is in the future",
            "since=2026-10-02&until=2026-10-01": "is not after",
            "before=nonsense": "not valid",
            f"before={uuid4()}": "start again",
            "project=nowhere": "This view ignores it",
            "developer=nobody": "no developer",
            "subject=%00%00nothing+like+it": "No session matches",
        }.items():
            status, found = await page(http, api, f"{SESSIONS}?{query}")
            assert (status, says in found) == (200, True), query
        assert (await page(http, api, f"{SESSIONS}/x"))[0] == 404
        assert (await page(http, api, f"{SESSIONS}/{uuid4()}"))[0] == 404
    async with signed_in(api, await api.developer(f"new-{uuid4().hex[:8]}")) as http:
        assert "No session yet" in (await page(http, api, SESSIONS))[1]


async def test_a_session_is_read_on_and_says_what_was_learnt_from_it(api: Api) -> None:
    topic = f"t{uuid4().hex[:8]}"
    session = (await api.ingest(lesson(topic)))["result"]["sessions"][0]
    more = [(f"more-{number}", "user", f"line {number} of {topic}") for number in range(40)]
    long = (await api.ask("POST", f"/v1/sessions/{topic}-long/events", data=generic(*more))).json["session_id"]
    async with signed_in(api, api.key) as http:
        _, found = await page(http, api, f"{SESSIONS}/{session}")
        assert "What was learnt from it" in found
        assert re.search(rf"/dashboard/knowledge/items/[0-9a-f-]+\">[^<]*{topic}", found)
        assert "no longer in this session" not in found
        assert "cited here" not in found
        read, place = list[str](), f"{SESSIONS}/{long}"
        while place:
            _, found = await page(http, api, place)
            read += re.findall(rf"line \d+ of {topic}", found)
            place = (re.findall(r'id="later" href="([^"]+)"', found) or [""])[0]
        assert list(dict.fromkeys(read)) == [f"line {number} of {topic}" for number in range(40)]
        assert 'id="earlier"' in found
        _, found = await page(http, api, f"{SESSIONS}/{long}?after=999999999999")
        assert "This is its end" in found
        assert (await page(http, api, f"{SESSIONS}/{long}?after=x"))[0] == 404
        _, found = await page(http, api, f"{SESSIONS}/{long}?at=gone")
        assert "no longer in this session" in found


async def test_a_session_names_those_like_it_with_why(api: Api) -> None:
    key = await api.developer(f"like{uuid4().hex[:8]}")
    calls = (("bin/rails db:migrate", "PG::DuplicateTable", 1), ("bin/rails db:rollback", "ok", 0), ("bin/rails db:migrate", "ok", 0))
    ids = []
    for title in ("Move the <berths>", "Move the moorings"):
        lines: list[dict[str, object]] = [{"id": "0", "role": "user", "text": title}]
        for number, (command, output, code) in enumerate(calls, 1):
            tool = {"name": "bash", "input": command, "output": output, "exit_code": code}
            lines.append({"id": f"{number}", "role": "tool", "text": "", "tool": tool})
        text = "".join(json.dumps(each) + "\n" for each in lines)
        ids += (await api.ingest(text, key=key, project="quay", name=f"{uuid4().hex}.jsonl"))["result"]["sessions"]
    async with signed_in(api, key) as http:
        _, shown = await page(http, api, f"{SESSIONS}/{ids[1]}")
        assert "Sessions like it" in shown
        assert f'href="/dashboard/sessions/{ids[0]}' in shown
        assert "Move the &lt;berths&gt;" in shown
        assert "100 %" in shown
        assert "Both: a prompt, a migration fails, a rollback, a migration. Then, there: a migration." in shown
        _, later = await page(http, api, f"{SESSIONS}/{ids[1]}?after=2")
        assert "Sessions like it" not in later


async def test_another_teams_sessions_are_on_no_page(api: Api) -> None:
    topic = f"t{uuid4().hex[:8]}"
    session = (await api.ingest(lesson(topic)))["result"]["sessions"][0]
    async with signed_in(api, await api.developer(f"elsewhere-{topic}")) as http:
        assert topic not in (await page(http, api, f"{SESSIONS}?subject={topic}"))[1].replace(f"elsewhere-{topic}", "").replace(
            f'value="{topic}"', ""
        )
        assert (await page(http, api, f"{SESSIONS}/{session}"))[0] == 404


@pytest.mark.slow
async def test_in_a_browser_a_session_is_found_and_read(door: Door) -> None:
    async with door.visit(door.api.key) as visit:
        await visit.go("/dashboard/knowledge")
        await visit.page.click("nav >> text=Sessions")
        await visit.shot("sessions")
        assert not await violations(visit.page, "sessions")
        await visit.page.click("#sessions .title a >> nth=0")
        await visit.page.wait_for_selector("#events article")
        await visit.shot("session")
        assert not await violations(visit.page, "session")


async def log_call(api: Api, developer: str, session: str, nanousd: int, *, agent: str | None = None, parent: str | None = None) -> None:
    """One call of a session, as the engine logs it."""
    who, requests = await api.services.accounts.find_developer(developer), api.services.budget.requests
    requests.add(
        RequestRecord(
            request_id=uuid4().hex, developer_id=who.id, team_id=who.team_id, purpose="chat", model_asked="auto", attempts=1, cache="miss",
            nanousd=nanousd, saved_nanousd=0, milliseconds=5, status=RequestOutcome.ANSWERED, provider="groq", model_answered="llama-3.3",
            session=session, agent=agent, parent_agent=parent, input_tokens=12_000, output_tokens=300, cached_input_tokens=9000,
        )
    )  # fmt: skip
    await requests._writing.finish()


async def test_a_session_shows_what_it_cost_to_who_may_know(api: Api) -> None:
    team, session = f"t{uuid4().hex[:8]}", f"<b>{uuid4().hex}"
    key, colleague = await api.developer(team), await api.developer(team)
    me = (await api.ask("GET", "/v1/budget", key=key)).json["developer"]
    named = quote(session, safe="")
    shown = (await api.ask("POST", f"/v1/sessions/{named}/events", key=key, data=generic(("1", "user", "hello")))).json["session_id"]
    async with signed_in(api, key) as http:
        assert "No model call of this session came through Cairn" in (await page(http, api, f"{SESSIONS}/{shown}"))[1]
        assert "No call named its session this month" in (await page(http, api, "/dashboard/budget"))[1]
        await log_call(api, me, session, 250_000_000)
        await log_call(api, me, session, 30_000_000, agent="<i>tests", parent="<i>lead")
        _, found = await page(http, api, f"{SESSIONS}/{shown}")
        assert all(
            part in found for part in ("$0.28", "$0.25", "$0.03", "llama-3.3", "main agent", "&lt;i&gt;tests", "started by", "24.0 k")
        )
        assert "<i>tests" not in found
        await log_call(api, me, other := f"other-{uuid4().hex}", 10_000_000)
        _, found = await page(http, api, "/dashboard/budget")
        card = found.split('id="sessions"')[1].split("</section>")[0]
        assert f'href="/dashboard/sessions/{shown}"' in card
        assert card.index("$0.28") < card.index(other)
        assert "transcript not sent to Cairn" in card
    async with signed_in(api, colleague) as http:
        _, found = await page(http, api, f"{SESSIONS}/{shown}")
        assert "or none that you may see" in found
        assert "$0.28" not in found
