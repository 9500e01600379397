"""Shown prompts in a browser: switched, read and found again on a phone, without scripts, and by who can't see."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door, key_of
from tests.performance.page_checks import OVERFLOW
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import fill_in_key
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=window.hacked=1> \u202egnp.exe " + "W" * 300


async def session_of(api: Api, key: str, project: str) -> str:
    at = datetime.now(UTC).isoformat()
    said = [("user", f"{HOSTILE} Why?"), ("assistant", "Because. " * 400)]
    events = [{"id": str(number), "role": role, "text": words, "timestamp": at} for number, (role, words) in enumerate(said)]
    body = "".join(json.dumps(each) + "\n" for each in events)
    sent = await api.ask("POST", f"/v1/sessions/{uuid4().hex}/events?project={project}", key=key, data=body)
    assert sent.status == 202, sent.text
    return str(sent.json["session_id"])


async def test_a_lead_shows_prompts_and_reads_them_on_a_phone(door: Door) -> None:
    project, team, api = f"phone-{uuid4().hex[:8]}", f"t{uuid4().hex[:8]}", door.api
    ada = await api.developer(team)
    lead = f"lead-{team}"
    assert (await api.ask("POST", "/v1/developers", json={"name": lead, "team": team, "role": "lead"})).status == 201
    before = await session_of(api, ada, project)
    found: list[str] = []
    async with door.visit(await key_of(api, lead), width=375, height=780) as visit:
        page = visit.page

        async def look(name: str) -> None:
            found.extend(await violations(page, name))
            assert not await page.evaluate(OVERFLOW), name
            assert await page.evaluate("() => window.hacked") is None

        await visit.go("/dashboard/prompts")
        await look("prompts, none")
        await visit.go(f"/dashboard/sessions/{before}")
        await look("session, hidden")
        assert "What was said isn't shown" in await page.inner_text("#not-shown")
        await page.click("#not-shown a")
        await look("the project's prompts, off")
        await page.click("button.main")
        await page.wait_for_selector("#state:has-text('Shown since')")
        await look("the project's prompts, on")
        session = await session_of(api, ada, project)
        await visit.go(f"/dashboard/sessions?project={project}&order=oldest")
        await look("sessions")
        assert await page.locator("#sessions tbody tr").count() == 2
        assert await page.locator("#sessions thead").is_hidden(), "rows are cards"
        await page.click("#sessions tbody tr:last-child .title a")
        assert session in page.url
        await page.click("details.folded > summary")
        await look("session, shown")
        assert "Because." in await page.inner_text("details.folded pre")
        await visit.shot("session-shown-375")
        await visit.go("/dashboard/prompts")
        await look("prompts")
        assert "read a session" in await page.inner_text("#entries")
    assert not found, "\n".join(found)


async def test_sessions_are_filtered_and_read_without_scripts(door: Door) -> None:
    project, api = f"plain-{uuid4().hex[:8]}", door.api
    session = await session_of(api, api.key, project)
    context = await door.chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page = await context.new_page()
    await fill_in_key(page, api, api.key)
    await page.goto(f"{api.url}/dashboard/sessions")
    await page.select_option("#project", project)
    await page.select_option("#order", "oldest")
    await page.click("#find button")
    assert f"project={project}" in page.url
    assert await page.locator("#sessions tbody tr").count() == 1
    view = page.url
    await page.click("#sessions .title a")
    assert session in page.url
    assert "Why?" in await page.inner_text("#events")
    await page.goto(view)
    assert await page.input_value("#project") == project, "the address is the view"
    assert await page.input_value("#order") == "oldest"
    await context.close()
