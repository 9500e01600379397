"""A decision and its revision over HTTP: the later one first, the earlier one marked and linked; a person undoes it."""

from __future__ import annotations

from typing import Any

from tests.integration.api.conftest import Api

NATS = "Publish order events through nats-jetstream."
REDPANDA = "Move order events from nats-jetstream to redpanda."


async def found(api: Api, wanted: int, **more: object) -> list[Any]:
    return await api.items_found("order events through nats-jetstream", "maple-links", wanted=wanted, **more)


async def test_a_revision_comes_first_until_a_person_undoes_it(api: Api) -> None:
    made = [
        (await api.ask("POST", "/v1/knowledge", json={"type": "gotcha", "text": words, "project": "maple-links"})).json
        for words in (NATS, REDPANDA)
    ]
    older, newer = (each["id"] for each in made)
    assert {"kind": "service", "name": "nats-jetstream"} in made[0]["subjects"]
    assert [(each["id"], each["words"]) for each in made[1]["replaces"]] == [(older, REDPANDA.rstrip("."))]
    first, second = await found(api, 2)
    assert (first["id"], second["id"], second["replaced_by"]["id"]) == (newer, older, newer)
    assert "replaced_by" not in first
    restored = await api.ask("POST", f"/v1/knowledge/{older}/restore")
    assert (restored.status, restored.json["replaced_by"]) == (200, [])
    assert not any("replaced_by" in each for each in await found(api, 2, subject="NATS-JetStream"))
    history = (await api.ask("GET", f"/v1/knowledge/{older}/history")).json["history"]
    assert [(each["what"], each["by"], each["other"]) for each in history[:2]] == [("restored", "admin", newer), ("replaced", None, newer)]
