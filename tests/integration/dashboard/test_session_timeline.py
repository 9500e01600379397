"""How a session went, on its page: a picture with a table behind it, findings with links to their events."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door
from tests.integration.dashboard.test_items import page, send
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import signed_in
from tests.waiting import patience

FAILED = {"name": "bash", "input": "pytest -q", "output": "1 failed", "exit_code": 1}


async def gone_wrong(api: Api, *, key: str | None = None) -> str:
    """An analysed session that gets stuck; its findings are stored as an analyzer's. Returns its id."""
    who = api.key if key is None else key
    events = [{"id": "1", "role": "user", "text": "Mend the login"}]
    events += [{"id": str(number), "role": "tool", "tool": FAILED} for number in range(2, 9)]  # type: ignore[dict-item]
    events += [{"id": "9", "role": "user", "text": "No, that's wrong"}]
    body = "".join(json.dumps(each) + "\n" for each in events)
    path = f"/v1/sessions/{uuid4().hex}/events?project=t{uuid4().hex[:8]}"
    session = str((await api.ask("POST", path, key=who, data=body)).json["session_id"])
    async with patience():
        while (await api.ask("GET", f"/v1/sessions/{session}/analysis", key=who)).json["analysed"] != len(events):
            await asyncio.sleep(0.05)
    row = (
        "insert into session_findings (session_id, kind, name, first, team_id, project_id, last, evidence, because, open, told, revision, tool, began_at)"
        " select id, kind, name, 2, team_id, project_id, 8, '{2,8}', 'It told <b>1 failed</b>.', true, 8, 1, 'bash', now() from sessions,"
        " (values ('health', 'stuck'), ('loop', 'exact'), ('activity', 'testing')) as found (kind, name) where id = :session"
        " on conflict do nothing"
    )
    async with api.services.database.begin() as connection:
        await connection.execute(text("delete from session_findings where session_id = :session"), {"session": UUID(session)})
        await connection.execute(text(row), {"session": UUID(session)})
    return session


async def test_a_sessions_page_shows_how_it_went(api: Api) -> None:
    session = await gone_wrong(api)
    async with signed_in(api, api.key) as http:
        status, shown = await page(http, api, f"/dashboard/sessions/{session}")
    assert status == 200
    assert 'aria-label="Events 1 to 9 by what was done, in 2 exchanges; 1 sign of trouble"' in shown
    assert "It told &lt;b&gt;1 failed&lt;/b&gt;." in shown
    assert f'href="/dashboard/sessions/{session}?after=1"' in shown
    assert "corrected it" in shown
    assert "failed, 0 of 7 passed" in shown


async def test_a_person_sees_why_a_prompt_has_its_intent_and_corrects_it(api: Api) -> None:
    session = await gone_wrong(api)
    here = f"/dashboard/sessions/{session}"
    async with signed_in(api, api.key) as http:
        _, shown = await page(http, api, here)
        assert "% sure; else" in shown
        assert "Nearest example" in shown
        told = (await api.ask("GET", f"/v1/sessions/{session}/prompts/1/intent")).json["intent"]
        assert f"<option selected>{told}</option>" in shown
        form = {"intent": "documentation"}
        assert (await send(http, api, f"{here}/prompts/1/intent", form))[:2] == (303, f"{here}?after=0#prompt-1")
        _, shown = await page(http, api, here)
        assert f"corrected it; told was {told}" in shown
        assert '<rect class="in-documentation"' in shown
        assert (await send(http, api, f"{here}/prompts/1/intent", {"intent": "hacking"}))[0] == 422
        assert (await send(http, api, f"{here}/prompts/1/intent", form | {"csrf": "forged"}))[0] == 403
        assert (await send(http, api, f"{here}/prompts/2/intent", form))[0] == 404


async def test_who_may_not_correct_an_intent_has_no_form_for_it_and_is_refused(api: Api) -> None:
    team = f"t{uuid4().hex[:8]}"
    session = await gone_wrong(api, key=await api.developer(team))
    here = f"/dashboard/sessions/{session}"
    async with signed_in(api, await api.developer(team)) as http:
        _, shown = await page(http, api, here)
        assert "Correct the intent" not in shown
        assert "Nearest example" not in shown
        assert '<rect class="in-' in shown
        assert (await send(http, api, f"{here}/prompts/1/intent", {"intent": "testing"}))[0] == 403


async def test_of_anothers_session_the_page_tells_what_was_found_and_not_in_words(api: Api) -> None:
    team = f"t{uuid4().hex[:8]}"
    session = await gone_wrong(api, key=await api.developer(team))
    async with signed_in(api, await api.developer(team)) as http:
        status, shown = await page(http, api, f"/dashboard/sessions/{session}")
    assert (status, "stuck" in shown, "1 failed" in shown) == (200, True, False)


async def test_a_session_that_is_like_none_says_so(api: Api) -> None:
    key = await api.developer(f"t{uuid4().hex[:8]}")
    session = await gone_wrong(api, key=key)
    async with signed_in(api, key) as http, patience():
        while "No other session of the team has a fifth of its phases" not in (await page(http, api, f"/dashboard/sessions/{session}"))[1]:
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_in_a_browser_the_timeline_can_be_read_by_everybody(door: Door) -> None:
    session = await gone_wrong(door.api)
    async with door.visit(door.api.key) as visit:
        await visit.go(f"/dashboard/sessions/{session}")
        await visit.page.click("#timeline summary")
        await visit.shot("session-timeline")
        assert not await violations(visit.page, "session-timeline")
        assert await visit.page.locator("#timeline tbody tr").count() == 2
        await visit.page.click("#findings a >> nth=0")
        await visit.page.wait_for_selector("#events article")


async def test_a_team_sees_where_its_sessions_get_stuck_and_nobody_elses(api: Api) -> None:
    team = f"t{uuid4().hex[:8]}"
    key, stranger = await api.developer(team), await api.developer(f"t{uuid4().hex[:8]}")
    session = await gone_wrong(api, key=key)
    async with signed_in(api, key) as http:
        status, shown = await page(http, api, "/dashboard/stuck")
        assert (await page(http, api, "/dashboard/stuck?project=none-such"))[1].count("This view ignores it") == 1
    assert status == 200
    assert f'href="/dashboard/sessions/{session}?after=1"' in shown
    assert ("1 failed" in shown, "testing" in shown) == (False, False)
    assert shown.count(f'href="/dashboard/sessions/{session}?after=1"') == 1  # the loop says why it is stuck
    assert ("the same call, the same result" in shown, '<th scope="col">Week</th>' in shown) == (True, True)
    async with signed_in(api, stranger) as http:
        _, other = await page(http, api, "/dashboard/stuck")
    assert session not in other
    assert "No session got stuck" in other
    assert "<code>cairn ingest</code>" in other


async def test_trouble_of_a_project_that_is_closed_to_somebody_is_not_told(api: Api) -> None:
    team = f"t{uuid4().hex[:8]}"
    key, outsider = await api.developer(team), await api.developer(team)
    session = await gone_wrong(api, key=key)
    project = (await api.ask("GET", f"/v1/sessions/{session}", key=key)).json["project"]
    listed = (await api.ask("GET", "/v1/projects", headers={"x-cairn-team": team})).json["projects"]
    project_id = next(each["id"] for each in listed if each["name"] == project)
    changed = await api.ask("PATCH", f"/v1/projects/{project_id}", headers={"x-cairn-team": team}, json={"open": "members", "members": []})
    assert changed.status == 200, changed.text
    async with signed_in(api, outsider) as http:
        async with patience():
            while session in (await page(http, api, "/dashboard/stuck"))[1]:
                await asyncio.sleep(0.05)
        assert project not in (await page(http, api, "/dashboard/stuck"))[1]


@pytest.mark.slow
async def test_in_a_browser_the_page_of_trouble_can_be_read_by_everybody(door: Door) -> None:
    await gone_wrong(door.api)
    async with door.visit(door.api.key) as visit:
        await visit.go("/dashboard/sessions")
        await visit.page.click("text=Where sessions get stuck")
        await visit.page.wait_for_selector("#cases li")
        await visit.shot("stuck")
        assert not await violations(visit.page, "stuck")
