"""Items in the dashboard: listed, recorded, corrected, judged, deleted; forms of other sites and of other people change nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import uuid4

import aiohttp
import pytest

from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door, key_of
from tests.integration.dashboard.test_pages import _violations as violations
from tests.integration.dashboard.test_privacy import signed_in, token_of

ITEMS = "/dashboard/knowledge/items"
SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"


def fields(**more: str) -> dict[str, str]:
    return {"project": "till", "type": "gotcha", "title": "", "text": "The till rounds half up, never half to even.", "paths": ""} | more


async def send(http: aiohttp.ClientSession, api: Api, path: str, form: Mapping[str, str]) -> tuple[int, str, str]:
    """(status, where it leads, page) of a form with a good token."""
    data = {"csrf": await token_of(api, http), **form}
    async with http.post(api.url + path, data=data, allow_redirects=False) as reply:
        return reply.status, reply.headers.get("location", ""), await reply.text()


async def page(http: aiohttp.ClientSession, api: Api, path: str) -> tuple[int, str]:
    async with http.get(api.url + path, allow_redirects=False) as reply:
        return reply.status, await reply.text()


async def test_an_item_is_recorded_corrected_judged_and_deleted(api: Api) -> None:
    async with signed_in(api, await key_of(api, "amir")) as http:
        status, place, _ = await send(http, api, ITEMS, fields(text=f"The till {uuid4()} rounds\r\nhalf up.", paths="a.py\r\n\r\nb.py"))
        assert (status, place.startswith(f"{ITEMS}/")) == (303, True)
        _, shown = await page(http, api, place)
        assert "<code>a.py</code> <code>b.py</code>" in shown
        assert "recorded</b> by amir" in re.sub(r"<span[^>]*>|</span>|<bdi[^>]*>|</bdi>", "", shown)
        revision = shown.split('name="revision" value="')[1].split('"')[0]
        item = (await api.ask("GET", f"/v1/knowledge/{place.rsplit('/', 1)[1]}")).json
        same = fields(text=item["text"].replace("\n", "\r\n"), title=item["title"], paths="a.py\r\nb.py", revision=revision)
        assert (await send(http, api, f"{place}/correct", same))[:2] == (303, place)
        assert (await api.ask("GET", f"/v1/knowledge/{item['id']}")).json["corrected_at"] is None
        assert (await send(http, api, f"{place}/correct", same | {"title": "Rounding"}))[0] == 303
        status, _, refused = await send(http, api, f"{place}/correct", same | {"title": "Too late"})
        assert (status, "has been changed since" in refused) == (409, True)
        assert (await send(http, api, f"{place}/feedback", {"verdict": "stale", "note": "no longer"}))[0] == 303
        _, shown = await page(http, api, place)
        assert "<h1>Rounding</h1>" in shown
        assert "no longer" in shown
        assert 'aria-pressed="true">It is stale' in shown
        _, listed = await page(http, api, f"{ITEMS}?project=till&type=gotcha&since=2020-01-01")
        assert "Rounding" in listed
        assert (await send(http, api, f"{place}/delete", {}))[:2] == (303, ITEMS)
        assert (await page(http, api, place))[0] == 404
        assert "Rounding" not in (await page(http, api, ITEMS))[1]


async def test_a_teammate_judges_and_changes_nothing_and_another_team_sees_nothing(api: Api) -> None:
    made = await api.ask(
        "POST", "/v1/knowledge", key=await key_of(api, "amir"), json={"type": "gotcha", "project": "till", "text": f"Mine {uuid4()}"}
    )
    place = f"{ITEMS}/{made.json['id']}"
    async with signed_in(api, await key_of(api, "bjarne")) as http:
        _, shown = await page(http, api, place)
        assert "Delete permanently" not in shown
        assert "Correct it" not in shown
        assert (await send(http, api, f"{place}/delete", {}))[0] == 403
        assert (await send(http, api, f"{place}/correct", fields(revision="")))[0] == 403
        assert (await send(http, api, f"{place}/feedback", {"verdict": "helpful", "note": ""}))[0] == 303
    async with signed_in(api, await api.developer("elsewhere")) as http:
        assert (await page(http, api, place))[0] == 404
        for way, form in (("delete", {}), ("correct", fields(revision="")), ("feedback", {"verdict": "wrong", "note": ""})):
            assert (await send(http, api, f"{place}/{way}", form))[0] == 404
    assert (await api.ask("GET", f"/v1/knowledge/{made.json['id']}")).json["feedback"] == {"helpful": 1, "wrong": 0, "stale": 0}


@pytest.mark.parametrize("way", ["", "/correct", "/feedback", "/delete"])
async def test_a_form_without_its_token_changes_nothing(api: Api, way: str) -> None:
    made = await api.ask("POST", "/v1/knowledge", json={"type": "gotcha", "project": "till", "text": f"Kept {uuid4()}"})
    async with signed_in(api, api.key) as http:
        path = f"{api.url}{ITEMS}/{made.json['id']}{way}" if way else api.url + ITEMS
        form = fields(revision="", verdict="wrong", note="", text=f"Forged {made.json['id']}")
        for csrf in ("", "x" * 64):
            async with http.post(path, data={"csrf": csrf, **form}, allow_redirects=False) as reply:
                assert reply.status == 403
    assert (await api.ask("GET", f"/v1/knowledge/{made.json['id']}")).json == made.json
    assert "Forged" not in (await api.ask("GET", "/v1/knowledge", params={"project": "till", "limit": "200"})).text


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"text": " "}, "text is empty"),
        ({"text": "x" * 8001}, "longer than 8,000"),
        ({"text": "a\x00b"}, "NUL"),
        ({"title": "t" * 201}, "longer than 200"),
        ({"type": "wisdom"}, "not known"),
        ({"project": ""}, "project must be"),
        ({"project": SECRET}, "looks like a secret"),
        ({"text": SECRET}, "nothing but a secret"),
        ({"paths": "\n".join(map(str, range(21)))}, "at most 20 are kept"),
    ],
)
async def test_what_cannot_be_recorded_is_told_on_a_page(api: Api, form: dict[str, str], says: str) -> None:
    async with signed_in(api, api.key) as http:
        status, _, shown = await send(http, api, ITEMS, fields(**form))
    assert status == 422
    assert says in shown
    assert SECRET not in shown


async def test_a_list_that_cannot_be_says_why_and_an_empty_one_what_to_do(api: Api) -> None:
    async with signed_in(api, api.key) as http:
        for query, says in {
            "type=wisdom": "There is no type",
            "since=yesterday": "Write the date as",
            "cursor=nonsense": "not one that a page gave",
            "cursor=%00": "not one that a page gave",
            "project=nowhere": "No item matches",
            "project=%00": "No item matches",
            "since=2999-01-01": "No item matches",
        }.items():
            status, shown = await page(http, api, f"{ITEMS}?{query}")
            assert (status, says in shown) == (200, True), query
        assert (await page(http, api, f"{ITEMS}/x"))[0] == 404
        assert (await page(http, api, f"{ITEMS}/{uuid4()}"))[0] == 404
    async with signed_in(api, await api.developer(f"new-{uuid4().hex[:8]}")) as http:
        assert "No item yet" in (await page(http, api, ITEMS))[1]


@pytest.mark.slow
async def test_in_a_browser_an_item_is_written_down_and_deleted_by_one_click(door: Door) -> None:
    words = f"Receipts of till {uuid4().hex} are printed twice"
    async with door.visit(await key_of(door.api, "ada")) as visit:
        await visit.go("/dashboard/knowledge")
        await visit.page.click("text=List and record items")
        await visit.page.click("text=Record an item")
        await visit.page.fill("#record-project", "till")
        await visit.page.fill("#record-text", words)
        await visit.shot("items")
        await visit.page.click("button:text-is('Record')")
        assert await visit.page.inner_text("h1") == words
        await visit.page.click("button:text-is('It helped')")
        await visit.page.wait_for_selector("#history li:has-text('judged helpful')")
        await visit.page.evaluate("() => document.querySelectorAll('details').forEach(each => { each.open = true; })")
        assert not await violations(visit.page, "item")
        await visit.shot("item")
        await visit.page.click("button:text-is('Delete permanently')")
        await visit.page.wait_for_selector("h1:text-is('Items')")
        assert words not in await visit.page.inner_text("main")
