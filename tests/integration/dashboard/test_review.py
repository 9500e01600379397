"""The review in the dashboard: for leads, one click each; an item leaves its list, and what was done is told and undone on its page."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import pytest

from app.accounts.requester import Requester
from app.knowledge.results import Query, SearchResults
from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door, key_of
from tests.integration.dashboard.test_items import page, send
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import signed_in
from tests.waiting import patience

ITEMS, REVIEW = "/dashboard/knowledge/items", "/dashboard/knowledge/review"


@pytest.fixture
async def lead(api: Api) -> str:
    """The key of a lead of the team."""
    name = f"lead-{uuid4().hex[:8]}"
    assert (await api.ask("POST", "/v1/developers", json={"name": name, "team": "default", "role": "lead"})).status == 201
    return await key_of(api, name)


async def recorded(api: Api, project: str, words: str) -> str:
    return await said(api, project, f"{words} {uuid4()}.")


async def said(api: Api, project: str, text: str) -> str:
    made = await api.ask("POST", "/v1/knowledge", json={"type": "gotcha", "project": project, "text": text})
    assert made.status == 201, made.text
    return str(made.json["id"])


def plain(shown: str) -> str:
    return re.sub(r"<span[^>]*>|</span>|<bdi[^>]*>|</bdi>", "", shown)


async def test_a_kept_and_a_retired_item_leave_the_list(api: Api, lead: str) -> None:
    project = f"p{uuid4().hex[:8]}"
    kept, retired = [await recorded(api, project, words) for words in ("The till rounds half up", "The depot opens at noon")]
    back = {"list": "new", "project": project}
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, f"{REVIEW}?list=new&project={project}")
        assert f"{ITEMS}/{kept}" in shown
        assert f"{ITEMS}/{retired}" in shown
        assert (await send(http, api, f"{REVIEW}/{kept}/keep", back))[:2] == (303, f"{REVIEW}?list=new&project={project}")
        assert (await send(http, api, f"{REVIEW}/{retired}/retire", back))[0] == 303
        _, shown = await page(http, api, f"{REVIEW}?list=new&project={project}")
        assert "Nothing in this list" in shown
        assert f"{ITEMS}/{kept}" in (await page(http, api, f"{REVIEW}?list=most_useful&project={project}"))[1]
        _, shown = await page(http, api, f"{ITEMS}/{retired}")
        assert "a lead retired it" in shown
        assert "Bring it back" in shown
        assert (await send(http, api, f"{ITEMS}/{retired}/restore", {}))[0] == 303
        _, shown = await page(http, api, f"{ITEMS}/{retired}")
        assert "brought back</b> by lead-" in plain(shown)
        assert "retired</b> by lead-" in plain(shown)


async def test_an_item_is_merged_into_one_that_is_offered_and_its_page_undoes_it(api: Api, lead: str) -> None:
    project = f"p{uuid4().hex[:8]}"
    item, kept = [await recorded(api, project, words) for words in ("Cache keys hold the tenant", "The tenant is in each cache key")]
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, f"{ITEMS}/{item}/merge?q=tenant")
        assert "Merge into another item" in shown
        assert (await send(http, api, f"{ITEMS}/{item}/merge", {"into": kept}))[:2] == (303, f"{ITEMS}/{kept}")
        _, shown = await page(http, api, f"{ITEMS}/{kept}")
        assert "With the evidence of what was merged into it" in shown
        assert "another one merged into it</b> by lead-" in plain(shown)
        _, shown = await page(http, api, f"{ITEMS}/{item}")
        assert "Merged into <a" in shown
        assert (await send(http, api, f"{ITEMS}/{item}/restore", {}))[0] == 303
        assert "Merged into <a" not in (await page(http, api, f"{ITEMS}/{item}"))[1]


async def test_near_copies_that_a_search_folds_are_offered_to_merge_into(api: Api, lead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = f"p{uuid4().hex[:8]}"
    item, copy, retired = [await recorded(api, project, words) for words in ("The mole is wet", "The wet mole", "The mole was dry")]
    assert (await api.ask("POST", f"/v1/knowledge/{retired}/retire")).status == 200
    reader = api.services.knowledge.reader
    find = reader.find

    async def folding(requester: Requester, query: Query) -> SearchResults:
        async with patience():  # the worker feeds the index
            found = await find(requester, query)
            while not (own := [each for each in found.results if str(each.id) == item]):
                await asyncio.sleep(0.05)
                found = await find(requester, query)
        return replace(found, results=(replace(own[0], like=(UUID(retired), uuid4(), UUID(copy))),))

    monkeypatch.setattr(reader, "find", folding)
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, f"{ITEMS}/{item}/merge?q=mole")
    assert re.findall(r'name="into" value="([^"]+)"', shown) == [copy]


async def test_what_is_done_with_an_item_leads_back_to_its_place(api: Api, lead: str) -> None:
    project = f"p{uuid4().hex[:8]}"
    items = [await recorded(api, project, words) for words in ("The till rounds half up", "The depot opens at noon", "The quay is wet")]
    place = {"list": "new", "project": project, "cursor": "", "at": "2"}
    there = f"{REVIEW}?list=new&project={project}#n2"
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, f"{REVIEW}?list=new&project={project}")
        assert [each in shown for each in ('id="n1"', 'id="n3"', 'id="n4"', 'id="n5"', 'name="at" value="3"')] == [True] * 3 + [False, True]
        assert (await send(http, api, f"{ITEMS}/{items[1]}/merge", place | {"into": items[0]}))[:2] == (303, there)
        shown_item = (await api.ask("GET", f"/v1/knowledge/{items[0]}")).json
        fields = {"type": "gotcha", "title": "Rounding", "text": shown_item["text"], "paths": "", "revision": shown_item["revision"]}
        assert (await send(http, api, f"{ITEMS}/{items[0]}/correct", place | fields))[:2] == (303, there)
        for odd in ("javascript:1", "٢", "1#x", "9" * 300):
            _, where, _ = await send(http, api, f"{REVIEW}/{items[2]}/keep", place | {"at": odd, "list": "https://evil.example"})
            assert where.startswith(f"{REVIEW}?list=new&project={project}")
            assert "evil" not in where


async def test_the_page_after_the_last_item_is_the_first(api: Api, lead: str) -> None:
    project = f"p{uuid4().hex[:8]}"
    item = await recorded(api, project, "The till rounds half up")
    made = (await api.ask("GET", f"/v1/knowledge/{item}")).json["created_at"]
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, f"{REVIEW}?{urlencode({'list': 'new', 'project': project, 'cursor': f'{made}|{item}'})}")
        assert f"{ITEMS}/{item}" in shown


async def test_the_page_of_a_search_marks_what_is_contradicted_and_replaced(api: Api, lead: str) -> None:
    project = f"p{uuid4().hex[:8]}"
    earlier, later = [await said(api, project, f"Stoat tokens expire after {value}.") for value in ("15 minutes", "24 hours")]
    await api.items_found("stoat tokens expire", project, wanted=2)
    asked = f"/dashboard/knowledge?q=stoat+tokens+expire&type=item&project={project}"
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, asked)
        for other in (earlier, later):
            assert f'Can’t hold beside <a href="{ITEMS}/{other}">{other[:8]}</a>: nobody has decided.' in shown
        decided = await api.ask("POST", f"/v1/knowledge/{later}/contradictions/{earlier}", json={"decision": "this_holds"})
        assert decided.status == 200, decided.text
        _, shown = await page(http, api, asked)
    assert "nobody has decided" not in shown
    assert f'by <a href="{ITEMS}/{later}">' in shown


async def test_a_contradiction_is_decided_in_the_list(api: Api, lead: str) -> None:
    project = f"p{uuid4().hex[:8]}"
    earlier, later = [await said(api, project, f"Access tokens expire after {value}.") for value in ("15 minutes", "24 hours")]
    back = {"list": "contradicted", "project": project, "cursor": "", "at": "1"}
    async with signed_in(api, lead) as http:
        _, shown = await page(http, api, f"{REVIEW}?list=contradicted&project={project}")
        for words in ("15 minutes", "24 hours", ">This one holds<", ">The other one holds<", ">Both hold<", f"{ITEMS}/{earlier}"):
            assert words in shown, words
        assert 'aria-label="Keep ' not in shown
        decide = f"{REVIEW}/{earlier}/contradictions/{later}"
        assert (await send(http, api, decide, back | {"decision": "perhaps"}))[0] == 422
        status, where, _ = await send(http, api, decide, back | {"decision": "this_holds"})
        assert (status, where) == (303, f"{REVIEW}?list=contradicted&project={project}#n1")
        assert "Nothing in this list" in (await page(http, api, f"{REVIEW}?list=contradicted&project={project}"))[1]
        _, shown = await page(http, api, f"{ITEMS}/{later}")
        assert "as a person decided" in shown


async def test_a_developer_has_no_review_and_its_forms_change_nothing(api: Api) -> None:
    item = await recorded(api, "till", "Kept as it is")
    before = (await api.ask("GET", f"/v1/knowledge/{item}")).json
    async with signed_in(api, await key_of(api, "bjarne")) as http:
        assert (await page(http, api, REVIEW))[0] == 403
        assert (await page(http, api, f"{ITEMS}/{item}/merge"))[0] == 403
        assert REVIEW not in (await page(http, api, "/dashboard/knowledge"))[1]
        for path, form in ((f"{REVIEW}/{item}/keep", {"list": "new", "project": ""}), (f"{ITEMS}/{item}/retire", {})):
            assert (await send(http, api, path, form))[0] == 403
    assert (await api.ask("GET", f"/v1/knowledge/{item}")).json == before


@pytest.mark.parametrize(
    "way",
    [
        "/review/{}/contradictions/3f0c1c9e-7d7b-4f53-9d3c-1d2f7f6f2b11",
        "/items/{}/retire",
        "/items/{}/merge",
        "/review/{}/keep",
        "/review/{}/retire",
    ],
)
async def test_a_form_without_its_token_changes_nothing(api: Api, lead: str, way: str) -> None:
    item = await recorded(api, "till", "Kept as it is")
    async with signed_in(api, lead) as http:
        form = {"csrf": "x" * 64, "into": str(uuid4()), "list": "new", "project": ""}
        async with http.post(f"{api.url}/dashboard/knowledge{way.format(item)}", data=form, allow_redirects=False) as reply:
            assert reply.status == 403
    assert not (await api.ask("GET", f"/v1/knowledge/{item}")).json["hidden"]


async def test_what_an_address_asks_in_vain_is_told(api: Api, lead: str) -> None:
    async with signed_in(api, lead) as http:
        status, shown = await page(http, api, f"{REVIEW}?list=odd&project=nowhere&cursor=x")
        assert status == 200
        assert "There is no list “odd”" in shown
        assert "No project “nowhere”" in shown
        for place in (f"{2**63}|2026-11-01T00:00:00+00:00/{uuid4()}", f"1|0001-01-01T00:00:00+14:00/{uuid4()}"):
            assert (await page(http, api, f"{REVIEW}?list=most_useful&cursor={quote(place)}"))[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
async def test_the_review_is_accessible_with_items_on_a_phone_and_a_desk(door: Door, lead: str, width: int) -> None:
    project = f"p{uuid4().hex[:8]}"
    await recorded(door.api, project, "Kept as it is. " + "Nobody waits for a worker that was told to stop. " * 20)
    for value in ("15 minutes", "24 hours"):
        await said(door.api, project, f"Access tokens expire after {value}.")
    async with door.visit(lead, width=width) as visit:
        for name in ("new", "contradicted"):
            await visit.go(f"{REVIEW}?list={name}&project={project}")
            await visit.shot(f"review-{name}-{width}")
            assert await violations(visit.page, f"review, {name}, at {width} px") == []
            assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
async def test_a_lead_goes_through_a_list_by_keyboard_and_stays_where_they_are(door: Door, lead: str) -> None:
    """Enter on Keep takes the item out; the next one then stands in its place, and the Tab key goes on in it."""
    project = f"p{uuid4().hex[:8]}"
    items = [await recorded(door.api, project, f"The crane {word}") for word in ("lifts", "turns", "stops")]
    async with door.visit(lead) as visit:
        await visit.go(f"{REVIEW}?list=new&project={project}")
        await visit.page.locator("#n2 button:has-text('Keep')").focus()
        await visit.page.keyboard.press("Enter")
        await visit.page.wait_for_url("**#n2")
        assert items[0] in (await visit.page.locator("#n2 .title a").get_attribute("href") or "")
        await visit.page.keyboard.press("Tab")
        assert items[0] in (await visit.page.evaluate("document.activeElement.href") or "")
