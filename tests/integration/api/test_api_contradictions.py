"""Two items that can't both hold over HTTP: both name the other, in a query too; a person decides which holds."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.integration.api.conftest import Api
from tests.waiting import patience

KAFKA, PULSAR = "Order events go through kafka-main.", "Order events go through pulsar-main."


async def found(api: Api, project: str) -> dict[str, Any]:
    """The two items that a question finds, by id, once the index has heard of both."""
    async with patience():
        while True:
            asked = {"query": "order events go through", "project": project, "kinds": ["item"]}
            results = (await api.ask("POST", "/v1/knowledge/query", json=asked)).json["results"]
            if len(results) == 2:
                return {each["id"]: each for each in results}
            await asyncio.sleep(0.05)


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
    older, newer = await record_both(api, "rowan")
    assert {each: result["contradicts"] for each, result in (await found(api, "rowan")).items()} == {older: [newer], newer: [older]}
    path = f"/v1/knowledge/{older}/contradictions/{newer}"
    decided = await api.ask("POST", path, json={"decision": "this_holds"})
    assert (decided.status, decided.json["contradicts"], [each["id"] for each in decided.json["replaces"]]) == (200, [], [newer])
    results = await found(api, "rowan")
    assert (list(results), results[newer]["replaced_by"]["id"]) == ([older, newer], older)
    assert not any("contradicts" in each for each in results.values())
    assert (await api.ask("POST", path, json={"decision": "both_hold"})).status == 409


async def test_both_may_hold_and_an_unknown_pair_is_none(api: Api) -> None:
    older, newer = await record_both(api, "sorbus")
    assert (await api.ask("POST", f"/v1/knowledge/{older}/contradictions/{older}", json={"decision": "both_hold"})).status == 409
    assert (await api.ask("POST", f"/v1/knowledge/{older}/contradictions/{newer}", json={"decision": "maybe"})).status == 400
    path = f"/v1/knowledge/{newer}/contradictions/{older}"
    assert (await api.ask("POST", path, json={"decision": "both_hold"})).json["contradicts"] == []
    history = (await api.ask("GET", f"/v1/knowledge/{older}/history")).json["history"]
    assert [(each["what"], each.get("by"), each.get("note")) for each in history[:2]] == [
        ("decided", "admin", "Both hold."),
        ("contradicted", None, PULSAR.rstrip(".")),
    ]
