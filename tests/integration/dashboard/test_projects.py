"""Projects in the dashboard: what they hold, whom they are open to; renamed, merged, opened and closed by those who may, and by nobody else."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api, generic, lesson
from tests.integration.dashboard.conftest import Door, key_of
from tests.integration.dashboard.test_people import made, new_team, person
from tests.performance.page_checks import OVERFLOW
from tests.performance.page_checks import named_violations as violations

PROJECTS = "/dashboard/projects"


async def fill(api: Api, team: str, *names: str) -> dict[str, str]:
    """Give a team's projects a session each; returns their ids by name."""
    for each in names:
        data = generic((uuid4().hex, "user", f"The tide of {each} is low."))
        await api.ingest(data, team=team, name=f"{uuid4()}.jsonl", project=each)
    return {each["name"]: each["id"] for each in await projects_of(api, team)}


async def projects_of(api: Api, team: str) -> list[dict[str, Any]]:
    return (await api.ask("GET", "/v1/projects", headers={"x-cairn-team": team})).json["projects"]  # type: ignore[no-any-return]


async def test_the_list_counts_what_each_project_holds_and_leads_to_it(api: Api) -> None:
    team = await new_team(api)
    await api.ingest(lesson("tide"), team=team, name="a.jsonl", project="quay & co")
    ids = await fill(api, team, "quay & co", "till")
    async with person(api) as admin:
        page = (await admin.see(f"{PROJECTS}?team={team}")).page
        row = page.split("quay &amp; co</bdi>")[1].split("</tr>")[0]
        assert re.findall(r'aria-label="(\d+) sessions', row) == ["2"]
        (items,) = re.findall(r'aria-label="(\d+) items', row)
        assert int(items) >= 1
        place = re.search(r'href="(/dashboard/knowledge/items\?[^"]+)"', row)[1].replace("&amp;", "&")  # type: ignore[index]
        assert (await admin.see(place)).page.count('class="title"') == int(items)
        place = re.search(r'href="(/dashboard/sessions\?[^"]+)"', row)[1].replace("&amp;", "&")  # type: ignore[index]
        assert (await admin.see(place)).page.count('class="title"') == 2
        for query, found in (("q=QUAY", ["quay & co"]), ("open=members", []), ("q=nothing", []), ("open=team", ["quay & co", "till"])):
            page = (await admin.see(f"{PROJECTS}?team={team}&{query}")).page
            assert [each for each in ids if f'title="{each}"'.replace("&", "&amp;") in page] == found, query
        for query, said in (("open=moon", "choose one from the list"), (f"after={uuid4()}", "not valid")):
            assert said in (await admin.see(f"{PROJECTS}?team={team}&{query}")).page
        assert (await admin.see(f"{PROJECTS}/{uuid4()}?team={team}")).status == 404
        assert (await admin.see(f"{PROJECTS}/nonsense?team={team}")).status == 404
        assert (await admin.see(f"{PROJECTS}/{ids['till']}?team={await new_team(api)}")).status == 404
        assert "cairn ingest" in (await admin.see(f"{PROJECTS}?team={await new_team(api)}")).page


async def test_hundreds_of_projects_are_read_page_by_page(api: Api) -> None:
    team = await new_team(api)
    team_id = await api.services.accounts.team_id(team)
    async with api.services.database.begin() as connection:
        for number in range(120):
            await api.services.accounts.project_id(connection, team_id, f"project {number:03} {'x' * 80}")
    seen: list[str] = []
    async with person(api) as admin:
        place = f"{PROJECTS}?team={team}"
        while place:
            page = (await admin.see(place)).page
            assert "120 projects" in page
            assert len(page.encode()) < 150_000
            seen += re.findall(r'<th scope="row"><a href="/dashboard/projects/([^"?]+)', page)
            further = re.search(r'id="further" href="([^"]+)"', page)
            place = further[1].replace("&amp;", "&") if further else ""
    assert (len(seen), len(set(seen))) == (120, 120)


async def test_a_lead_closes_a_project_to_members_and_opens_it_again(api: Api) -> None:
    team = await new_team(api)
    lead, bo, cy = await made(api, team=team, role="lead"), await made(api, team=team), await made(api, team=team)
    ids = await fill(api, team, "vault")
    place = f"{PROJECTS}/{ids['vault']}"
    async with person(api, await key_of(api, lead)) as leads, person(api, await key_of(api, bo)) as other:
        shown = (await leads.see(place)).page
        assert ("Close it to members" in shown, "Rename" in shown, "Merge into" in shown) == (True, False, False)
        unknown = await leads.send(f"{place}/openness", open="members", members=f"{cy}, nobody-here")
        assert (unknown.status, "has no developer" in unknown.page, f'value="{cy}, nobody-here"' in unknown.page) == (422, True, True)
        assert (await other.see(place)).status == 200
        assert (await leads.send(f"{place}/openness", open="members", members=f"{cy},\n")).place == f"{place}?done=closed"
        assert (await other.see(place)).status == 404
        assert "vault" not in (await other.see(PROJECTS)).page
        for form, said in (({"members": " , "}, "Name at least one"), ({"members": "nobody-here"}, "has no developer")):
            refused = await leads.send(f"{place}/members", **form)
            assert (refused.status, 'id="members-members-problem"' in refused.page, said in refused.page) == (422, True, True)
        assert (await leads.send(f"{place}/members", members=bo)).status == 303
        assert (await other.see(place)).status == 200
        assert f"Remove {bo} from the members" in (await leads.see(place)).page
        assert "Remove" not in (await other.see(place)).page
        assert (await leads.send(f"{place}/members/remove", member=bo)).status == 303
        assert (await other.see(place)).status == 404
        assert "Its list of 1 member is deleted" in (await leads.see(place)).page
        assert (await leads.send(f"{place}/openness", open="moon", members="")).status == 422
        assert (await leads.send(f"{place}/openness", open="team", members="")).place == f"{place}?done=opened"
        assert (await other.see(place)).status == 200
        late = await leads.send(f"{place}/members", members=bo)
        assert (late.status, "close it first" in late.page) == (422, True)
        for way, form in (("name", {"name": "mine"}), ("merge", {"into": ids["vault"]})):
            assert (await leads.send(f"{place}/{way}", **form)).status == 403
        assert (await leads.see(f"{place}/merge?into=vault")).status == 403


@pytest.mark.parametrize("role", ["developer", "auditor"])
async def test_who_manages_nothing_sees_no_control_and_is_refused(api: Api, role: str) -> None:
    team = await new_team(api)
    ids = await fill(api, team, "till", "quay")
    place = f"{PROJECTS}/{ids['till']}"
    async with person(api, await key_of(api, await made(api, team=team, role=role))) as reader:
        shown = await reader.see(place)
        assert (shown.status, "<form" in shown.page.split("<main")[1]) == (200, False)
        forms = {
            "name": {"name": "mine"},
            "openness": {"open": "members", "members": ""},
            "members": {"members": "x"},
            "members/remove": {"member": "x"},
            "merge": {"into": ids["quay"]},
        }
        for way, form in forms.items():
            assert (await reader.send(f"{place}/{way}", **form)).status == 403, way
    assert {each["name"]: each["open"] for each in await projects_of(api, team)} == {"quay": "team", "till": "team"}


async def test_an_admin_renames_a_project_and_is_told_what_a_merge_does_before_it_is_done(api: Api) -> None:
    team = await new_team(api)
    ids = await fill(api, team, "till", "old till", "quay")
    place, query = f"{PROJECTS}/{ids['old till']}", f"?team={team}"
    async with person(api) as admin:
        for name, said, status in (("quay", "exists already", 409), ("", "must be 1 to 100", 422), ("x" * 101, "must be 1 to 100", 422)):
            refused = await admin.send(f"{place}/name{query}", name=name)
            assert (refused.status, said in refused.page, 'id="name-name-problem"' in refused.page) == (status, True, True)
        assert (await admin.send(f"{place}/name{query}", name="Kasse \u00fc \U0001f41a")).status == 303
        assert "Kasse \u00fc \U0001f41a" in (await admin.see(place + query)).page
        for into, said in (
            ("nowhere", "has no project"),
            ("", "Name the project that remains"),
            ("Kasse \u00fc \U0001f41a", "into itself"),
        ):
            refused = await admin.see(f"{place}/merge{query}&into={into}")
            assert (refused.status, 'id="merge-into-problem"' in refused.page, said in refused.page) == (422, True, True), into
        asked = (await admin.see(f"{place}/merge{query}&into=till")).page
        assert "Its 1 session and" in asked
        assert (await admin.send(f"{place}/merge{query}", into="nonsense")).status == 422
        once = uuid4().hex
        first, second = [await admin.send(f"{place}/merge{query}", once=once, into=ids["till"]) for _ in range(2)]
        assert (first.status, first.place) == (second.status, second.place) == (303, f"{PROJECTS}/{ids['till']}?done=merged&team={team}")
        merged = (await admin.see(first.place)).page
        assert ("are here now" in merged, 'aria-label="2 sessions"' in merged) == (True, True)
        assert (await admin.see(place + query)).status == 404
        assert (await admin.send(f"{place}/merge{query}", into=ids["till"])).status == 404


async def test_a_merge_that_would_show_a_closed_project_to_others_is_refused_with_the_reason(api: Api) -> None:
    team = await new_team(api)
    ids = await fill(api, team, "vault", "till")
    place, query = f"{PROJECTS}/{ids['vault']}", f"?team={team}"
    async with person(api) as admin:
        assert (await admin.send(f"{place}/openness{query}", open="members", members="")).status == 303
        assert "open to the whole team" in (await admin.see(f"{place}/merge{query}&into=till")).page
        refused = await admin.send(f"{place}/merge{query}", into=ids["till"])
        assert (refused.status, "into a project that is open to more people" in refused.page) == (409, True)
    assert {each["name"] for each in await projects_of(api, team)} == {"vault", "till"}


@pytest.mark.slow
@pytest.mark.parametrize("width", [375, 1280])
async def test_projects_work_in_a_browser_at_every_width(door: Door, width: int) -> None:
    api, team = door.api, await new_team(door.api)
    ids = await fill(api, team, "\u0645\u064a\u0643\u0644 \U0001f41a", "W" * 100)
    await made(api, team=team, name=f"bo {team}")
    async with door.visit(api.key, width=width) as visit:
        page, found = visit.page, []
        await visit.go(f"{PROJECTS}?team={team}")
        found += await violations(page, "projects")
        assert not await page.evaluate(OVERFLOW)
        await visit.shot(f"projects-{width}")
        await visit.go(f"{PROJECTS}/{ids['W' * 100]}?team={team}")
        found += await violations(page, "project")
        await page.fill("#openness-members", f"bo {team}")
        await page.click("button:text-is('Close it to members')")
        await page.wait_for_selector("#done")
        assert await page.evaluate("() => document.activeElement.id") == "done"
        found += await violations(page, "closed")
        assert not await page.evaluate(OVERFLOW)
        await visit.shot(f"project-{width}")
        await page.click("button:text-is('Open it to the whole team')")
        await page.wait_for_selector(".chip.good:text-is('open')")
        await page.fill("#merge-into", "\u0645\u064a\u0643\u0644 \U0001f41a")
        await page.click("button:text-is('Merge…')")
        await page.wait_for_selector("button:text-is('Merge permanently')")
        found += await violations(page, "merge")
        assert not await page.evaluate(OVERFLOW)
    assert not found, "\n".join(found)
