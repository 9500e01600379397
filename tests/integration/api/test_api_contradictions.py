"""Two items that can't both hold over HTTP: both name the other, in a query too; a person decides which holds."""

from __future__ import annotations

from typing import Any

from tests.integration.api.conftest import Api

KAFKA, PULSAR = "Order events go through kafka-main.", "Order events go through pulsar-main."


async def found(api: Api, project: str) -> dict[str, Any]:
    """The two items that a question finds, by id."""
    return {each["id"]: each for each in await api.items_found("order events go through", project, wanted=2)}


async def record_both(api: Api, project: str) -> tuple[str, str]:
    made = [
        (await api.ask("POST", "/v1/knowledge", json={"type": "gotcha", "text": words, "project": project})).json
        for words in (KAFKA, PULSAR)
    ]
    older, newer = (each["id"] for each in made)
    (against,) = made[1]["contradicts"]
    assert against == {"id": older, "title": KAFKA, "words": KAFKA.rstrip("."), "own_words": PULSAR.rstrip(".")}
    return older, newer


async def test_a_person_decides_which_of_two_holds(api: Api) -> None:
    older, newer = await record_both(api, "service-tree")
    assert {each: result["contradicts"] for each, result in (await found(api, "service-tree")).items()} == {older: [newer], newer: [older]}
    path = f"/v1/knowledge/{older}/contradictions/{newer}"
    decided = await api.ask("POST", path, json={"decision": "this_holds"})
    assert (decided.status, decided.json["contradicts"], [each["id"] for each in decided.json["replaces"]]) == (200, [], [newer])
    results = await found(api, "service-tree")
    assert (list(results), results[newer]["replaced_by"]["id"]) == ([older, newer], older)
    assert not any("contradicts" in each for each in results.values())
    assert (await api.ask("POST", path, json={"decision": "both_hold"})).status == 409


async def test_both_may_hold_and_an_unknown_pair_is_none(api: Api) -> None:
    older, newer = await record_both(api, "sorbus")
    assert (await api.ask("POST", f"/v1/knowledge/{older}/contradictions/{older}", json={"decision": "both_hold"})).status == 409
    assert (await api.ask("POST", f"/v1/knowledge/{older}/contradictions/{newer}", json={"decision": "maybe"})).status == 422
    path = f"/v1/knowledge/{newer}/contradictions/{older}"
    assert (await api.ask("POST", path, json={"decision": "both_hold"})).json["contradicts"] == []
    history = (await api.ask("GET", f"/v1/knowledge/{older}/history")).json["history"]
    assert [(each["what"], each.get("by"), each.get("note")) for each in history[:2]] == [
        ("decided", "admin", "Both hold."),
        ("contradicted", None, PULSAR.rstrip(".")),
    ]


async def test_they_are_listed_until_somebody_decides_and_again_once_that_is_taken_back(api: Api) -> None:
    older, newer = await record_both(api, "hornbeam")
    listed = "/v1/knowledge/contradictions?project=hornbeam"
    (found,) = (await api.ask("GET", listed)).json["contradictions"]
    assert (found["project"], found["untrusted"]) == ("hornbeam", True)
    assert [(each["id"], each["title"], each["words"]) for each in found["items"]] == [
        (older, KAFKA, KAFKA.rstrip(".")),
        (newer, PULSAR, PULSAR.rstrip(".")),
    ]
    assert (await api.ask("GET", "/v1/knowledge/contradictions?project=nowhere-at-all")).json == {
        "contradictions": [],
        "next_cursor": None,
    }
    path = f"/v1/knowledge/{older}/contradictions/{newer}"
    for decision, pairs in (("both_hold", 0), ("undecided", 1), ("this_holds", 0), ("undecided", 1)):
        assert (await api.ask("POST", path, json={"decision": decision})).status == 200
        assert len((await api.ask("GET", listed)).json["contradictions"]) == pairs


async def test_the_list_comes_in_pages_and_refuses_a_strange_cursor(api: Api) -> None:
    for project in ("linden", "linden-till"):
        await record_both(api, project)
    pages, cursor = [], ""
    while True:
        page = (await api.ask("GET", f"/v1/knowledge/contradictions?limit=1{cursor}")).json
        pages += page["contradictions"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [each["project"] for each in pages if each["project"].startswith("linden")] == ["linden-till", "linden"]
    assert (await api.ask("GET", "/v1/knowledge/contradictions?cursor=abc")).status == 422
