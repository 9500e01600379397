"""A review over HTTP: counts, pages, and what a lead does with an item; nobody else."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.test_api_roles import Team, team  # noqa: F401 - a fixture


async def reviewed(team: Team, name: str, **params: str) -> Any:  # noqa: F811 - the fixture's name
    found = await team.api.ask("GET", f"/v1/knowledge/review/{name}", key=team.keys["lead"], params=params)
    assert found.status == 200, found.text
    return found.json


async def act(team: Team, path: str, **body: object) -> Any:  # noqa: F811
    return await team.api.ask("POST", f"/v1/knowledge/{path}", key=team.keys["lead"], json=body or None)


async def test_a_lead_counts_and_pages_what_is_new_until_it_is_judged(team: Team) -> None:  # noqa: F811
    items = [await team.record() for _ in range(3)]
    found = await team.api.ask("GET", "/v1/knowledge/review", key=team.keys["lead"])
    assert (found.status, found.json["counts"]) == (200, {"new": 3, "contradicted": 0, "outdated": 0, "never_used": 0, "most_useful": 0})
    first = await reviewed(team, "new", limit="2", project="p")
    rest = await reviewed(team, "new", limit="2", project="p", cursor=first["next_cursor"])
    assert [each["id"] for each in (*first["items"], *rest["items"])] == items[::-1]
    assert rest["next_cursor"] is None
    assert (first["items"][0]["used"], first["items"][0]["replaced_by"], first["items"][0]["untrusted"]) == (0, None, True)
    assert (await act(team, f"{items[0]}/feedback", verdict="helpful")).status == 200
    assert [each["id"] for each in (await reviewed(team, "new"))["items"]] == [items[2], items[1]]
    assert [each["id"] for each in (await reviewed(team, "most_useful"))["items"]] == [items[0]]


@pytest.mark.parametrize("role", ["developer", "auditor"])
async def test_nobody_else_reviews(team: Team, role: str) -> None:  # noqa: F811
    item, other = await team.record(), await team.record()
    assert await team.status(role, "GET", "/v1/knowledge/review") == 403
    assert await team.status(role, "GET", "/v1/knowledge/review/new") == 403
    assert await team.status(role, "POST", f"/v1/knowledge/{item}/keep") == 403
    assert await team.status(role, "POST", f"/v1/knowledge/{item}/retire") == 403
    assert await team.status(role, "POST", f"/v1/knowledge/{item}/merge", json={"into": other}) == 403


async def test_an_item_is_retired_and_brought_back_by_a_lead_and_its_history_tells_both(team: Team) -> None:  # noqa: F811
    item = await team.record()
    retired = await act(team, f"{item}/retire")
    assert (retired.status, retired.json["hidden"], retired.json["retired"]) == (200, True, True)
    assert await team.status("developer", "POST", f"/v1/knowledge/{item}/restore") == 403
    restored = await act(team, f"{item}/restore")
    assert (restored.status, restored.json["hidden"], restored.json["retired"]) == (200, False, False)
    history = (await team.api.ask("GET", f"/v1/knowledge/{item}/history", key=team.keys["developer"])).json["history"]
    assert [(each["what"], each["by"]) for each in history[:2]] == [("reinstated", team.member("lead")), ("retired", team.member("lead"))]


async def test_an_item_is_kept_and_a_merge_of_it_undone(team: Team) -> None:  # noqa: F811
    item, other = await team.record(), await team.record()
    await act(team, f"{item}/merge", into=other)
    for _ in range(2):
        kept = await act(team, f"{item}/keep")
        assert (kept.status, kept.json["id"], kept.json["feedback"]["helpful"], kept.json["replaced_by"]) == (200, item, 1, [])
    assert [each["id"] for each in (await reviewed(team, "new"))["items"]] == [other]


async def test_items_that_contradict_each_other_are_listed_once_with_both_ones_words(team: Team) -> None:  # noqa: F811
    words = ("Access tokens expire after 15 minutes.", "Access tokens expire after 24 hours.")
    earlier, later = [await team.record(words=each) for each in words]
    found = await team.api.ask("GET", "/v1/knowledge/review", key=team.keys["lead"])
    assert found.json["counts"]["contradicted"] == 1
    (listed,) = (await reviewed(team, "contradicted"))["items"]
    (other,) = listed["contradicts"]
    assert (listed["id"], other["id"]) == (later, earlier)
    assert ("24 hours" in other["own_words"], "15 minutes" in other["words"]) == (True, True)
    assert (await act(team, f"{later}/contradictions/{earlier}", decision="this_holds")).status == 200
    assert (await reviewed(team, "contradicted"))["items"] == []


async def test_an_item_is_merged_and_anybody_in_the_team_undoes_it(team: Team) -> None:  # noqa: F811
    item, kept = await team.record(), await team.record()
    merged = await act(team, f"{item}/merge", into=kept)
    assert (merged.status, merged.json["id"], [each["id"] for each in merged.json["replaces"]]) == (200, kept, [item])
    assert merged.json["replaces"][0]["cause"] == "merged"
    assert (await act(team, f"{kept}/merge", into=item)).status == 409
    restored = await team.api.ask("POST", f"/v1/knowledge/{item}/restore", key=team.keys["developer"])
    assert restored.json["replaced_by"] == []
    history = (await team.api.ask("GET", f"/v1/knowledge/{item}/history", key=team.keys["developer"])).json["history"]
    assert [(each["what"], each["by"]) for each in history[:2]] == [
        ("restored", team.member("developer")),
        ("merged_into", team.member("lead")),
    ]


@pytest.mark.parametrize(
    ("path", "status"),
    [("review/new?cursor=x", 422), ("review/unknown", 422), ("review?project=nowhere", 404), ("review/new?limit=0", 422)],
)
async def test_what_is_no_list_no_page_and_no_project_is_refused(team: Team, path: str, status: int) -> None:  # noqa: F811
    assert await team.status("lead", "GET", f"/v1/knowledge/{path}") == status


async def test_what_is_not_there_is_neither_retired_nor_merged(api: Api) -> None:
    assert (await api.ask("POST", f"/v1/knowledge/{uuid4()}/keep")).status == 404
    assert (await api.ask("POST", f"/v1/knowledge/{uuid4()}/retire")).status == 404
    assert (await api.ask("POST", f"/v1/knowledge/{uuid4()}/merge", json={"into": str(uuid4())})).status == 404


async def test_a_merge_into_what_is_not_there_names_that(team: Team) -> None:  # noqa: F811
    item, gone = await team.record(), str(uuid4())
    refused = await act(team, f"{item}/merge", into=gone)
    assert (refused.status, refused.json["error"]["param"]) == (422, "into")
    assert gone in refused.text
