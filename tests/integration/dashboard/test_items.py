"""Items in the dashboard: listed, recorded, corrected, judged, deleted; forms of other sites and of other people change nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from uuid import uuid4

import aiohttp
import pytest

from app.services import browsing
from tests.integration.api.conftest import Api
from tests.integration.dashboard.conftest import Door, key_of
from tests.integration.dashboard.test_privacy import token_of
from tests.performance.page_checks import named_violations as violations
from tests.signing_in import signed_in

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
        assert (status, "has been changed since" in refused) == (412, True)
        assert (await send(http, api, f"{place}/feedback", {"verdict": "stale", "note": "no longer"}))[0] == 303
        _, shown = await page(http, api, place)
        assert "<h1>Rounding</h1>" in shown
        assert "no longer" in shown
        assert 'aria-pressed="true">It is out of date' in shown
        _, listed = await page(http, api, f"{ITEMS}?project=till&type=gotcha&since=2020-01-01")
        assert "Rounding" in listed
        assert (await send(http, api, f"{place}/delete", {}))[:2] == (303, ITEMS)
        assert (await page(http, api, place))[0] == 404
        assert item["id"] not in (await page(http, api, ITEMS))[1]


async def test_an_items_page_and_the_list_tell_what_became_of_its_code(api: Api) -> None:
    body = {"type": "gotcha", "project": "till", "text": f"`close_till` counts twice {uuid4()}"}
    item = (await api.ask("POST", "/v1/knowledge", json=body)).json
    mark = {
        "id": item["id"],
        "revision": item["revision"],
        "verdict": "gone",
        "path": "src/<b>.py",
        "symbol": "close_till",
        "commit": "b" * 40,
    }
    marks = {"project": "till", "repository": "https://git.example/acme/till.git", "head": "a" * 40, "marks": [mark]}
    assert (await api.ask("PUT", "/v1/knowledge/freshness", json=marks)).json["stored"] == 1
    async with signed_in(api, await key_of(api, "amir")) as http:
        _, shown = await page(http, api, f"{ITEMS}/{item['id']}")
        assert "close_till in src/&lt;b&gt;.py is gone with commit bbbbbbbbbb" in shown
        assert "git.example/acme/till" in shown
        _, listed = await page(http, api, f"{ITEMS}?project=till&state=gone")
        assert "code gone</span>" in listed
        assert item["id"] in listed


async def test_a_replaced_item_names_its_replacement_until_somebody_undoes_it(api: Api) -> None:
    async with signed_in(api, await key_of(api, "amir")) as http:
        _, older, _ = await send(http, api, ITEMS, fields(project="ash", text="Invoices are rendered with wkhtmltopdf."))
        _, newer, _ = await send(
            http, api, ITEMS, fields(project="ash", text="Invoices are rendered with WeasyPrint instead of wkhtmltopdf.")
        )
        _, shown = await page(http, api, older)
        assert f'Replaced by <a href="{newer}">' in shown
        assert f'Replaces <a href="{older}">' in (await page(http, api, newer))[1]
        assert (await send(http, api, f"{older}/restore", {}))[:2] == (303, older)
        _, shown = await page(http, api, older)
        assert "Replaced by" not in shown
        assert "replacement undone</b> by amir" in re.sub(r"<span[^>]*>|</span>|<bdi[^>]*>|</bdi>", "", shown)


async def test_two_items_that_contradict_each_other_wait_for_a_person(api: Api) -> None:
    async with signed_in(api, await key_of(api, "amir")) as http:
        _, daily, _ = await send(http, api, ITEMS, fields(project="ash", text="Price caches are invalidated daily."))
        _, hourly, _ = await send(http, api, ITEMS, fields(project="ash", text="Price caches are invalidated hourly."))
        for own, other in ((daily, hourly), (hourly, daily)):
            _, shown = await page(http, api, own)
            assert "can’t hold beside" in shown
            assert f'of <a href="{other}">' in shown
        decided = await send(http, api, f"{daily}/contradictions/{hourly.rsplit('/', 1)[1]}", {"decision": "this_holds"})
        assert decided[:2] == (303, daily)
        _, shown = await page(http, api, hourly)
        assert "can’t hold beside" not in shown
        assert f'Replaced by <a href="{daily}">' in shown
        assert "decided</b> by amir" in re.sub(r"<span[^>]*>|</span>|<bdi[^>]*>|</bdi>", "", shown)


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
        ({"text": SECRET}, "only a secret"),
        ({"paths": "\n".join(map(str, range(21)))}, "at most 20 are allowed"),
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
            "cursor=nonsense": "not from a page of this list",
            "cursor=%00": "not from a page of this list",
            "project=nowhere": "This view ignores it",
            "project=%00": "This view ignores it",
            "since=2999-01-01": "is in the future",
            "subject=nothing+like+it+anywhere": "No item matches",
            "session=x": "not a session's id".replace("'", "&#39;"),
            f"session={uuid4()}": "No item matches",
        }.items():
            status, shown = await page(http, api, f"{ITEMS}?{query}")
            assert (status, says in shown) == (200, True), query
        assert (await page(http, api, f"{ITEMS}/x"))[0] == 404
        assert (await page(http, api, f"{ITEMS}/{uuid4()}"))[0] == 404
    async with signed_in(api, await api.developer(f"new-{uuid4().hex[:8]}")) as http:
        assert "No item yet" in (await page(http, api, ITEMS))[1]


async def test_items_are_exported_with_the_pages_filters_and_no_cell_is_a_formula(api: Api) -> None:
    team = f"export-{uuid4().hex[:8]}"
    key = await api.developer(team)
    for number, project in enumerate(("till", "till", "shop")):
        words = {"type": "gotcha", "project": project, "title": "=1+1", "text": f"Item {number} of {team}", "paths": ["a.py", "b.py"]}
        assert (await api.ask("POST", "/v1/knowledge", key=key, json=words)).status == 201
    async with signed_in(api, key) as http:
        status, whole = await page(http, api, f"{ITEMS}.csv")
        rows = list(csv.DictReader(io.StringIO(whole)))
        assert (status, len(rows)) == (200, 3)
        assert {row["title"] for row in rows} == {"'=1+1"}
        assert rows[0]["paths"] == "a.py\nb.py"
        _, some = await page(http, api, f"{ITEMS}.csv?project=till&type=gotcha")
        assert {row["text"] for row in csv.DictReader(io.StringIO(some))} == {f"Item 0 of {team}", f"Item 1 of {team}"}
        assert f'href="{ITEMS}.csv?project=till"' in (await page(http, api, f"{ITEMS}?project=till"))[1]
        for query in ("since=yesterday", "type=wisdom"):
            assert (await page(http, api, f"{ITEMS}.csv?{query}"))[0] == 422, query
        _, figures = await page(http, api, "/dashboard/knowledge.csv")
        assert sum(int(row["items"]) for row in csv.DictReader(io.StringIO(figures))) == 3
        assert ("till", "gotcha", "2") in {(row["project"], row["type"], row["items"]) for row in csv.DictReader(io.StringIO(figures))}
    async with signed_in(api, await api.developer(f"other-{uuid4().hex[:8]}")) as http:
        assert team not in (await page(http, api, f"{ITEMS}.csv?project=till"))[1]


async def test_an_export_goes_on_beyond_a_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "EXPORT_PAGE", 2)
    team = f"long-{uuid4().hex[:8]}"
    key = await api.developer(team)
    for number in range(5):
        words = {"type": "gotcha", "project": "till", "text": f"Item {number} of {team}"}
        assert (await api.ask("POST", "/v1/knowledge", key=key, json=words)).status == 201
    async with signed_in(api, key) as http:
        rows = list(csv.DictReader(io.StringIO((await page(http, api, f"{ITEMS}.csv"))[1])))
    assert sorted(row["text"] for row in rows) == [f"Item {number} of {team}" for number in range(5)]


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
