"""Intents through the product: queries filtered by them, exchanges and the stream that tell them, a correction that counts everywhere."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from tests.integration.api.conftest import Api, Reply, generic
from tests.waiting import patience

ASKED = "which file holds the harbour settings?"
TOLD = "The harbour settings are held by harbour.toml in the folder conf."
TEST = "write unit tests for the harbour settings"
TESTED = "The unit tests of the harbour settings read harbour.toml twice."


async def talked(api: Api, key: str, project: str) -> str:
    """A session of two exchanges: exploration, then testing. Returns its id."""
    word = uuid4().hex[:8]
    said = ((ASKED, "user"), (TOLD, "assistant"), (TEST, "user"), (TESTED, "assistant"))
    events = generic(*((f"{word}-{number}", role, text) for number, (text, role) in enumerate(said, start=1)))
    done = await api.ingest(events, key=key, project=project)
    (session,) = done["result"]["sessions"]
    return str(session)


async def query(api: Api, key: str, project: str | None, *intents: str) -> Reply:
    asked = {"query": "harbour settings", "project": project, "kinds": ["passage"], "min_score": 0.0, "intents": intents}
    return await api.ask("POST", "/v1/knowledge/query", key=key, json=asked)


def texts(reply: Reply) -> str:
    assert reply.status == 200, reply.text
    return "\n".join(each["text"] for each in reply.json["results"])


async def test_a_query_finds_only_what_comes_from_exchanges_of_the_intents(api: Api) -> None:
    key, project = await api.developer(f"t{uuid4().hex[:8]}"), f"p{uuid4().hex[:8]}"
    await talked(api, key, project)
    for intent, held, other in (("exploration", TOLD, TESTED), ("testing", TESTED, TOLD)):
        found = texts(await query(api, key, project, intent))
        assert held in found
        assert other not in found
    both = texts(await query(api, key, project, "testing", "exploration"))
    assert TOLD in both
    assert TESTED in both
    assert texts(await query(api, key, project, "optimization")) == ""


async def test_a_correction_reaches_the_query_its_cache_the_exchanges_and_the_stream(api: Api) -> None:
    key, project = await api.developer(f"t{uuid4().hex[:8]}"), f"p{uuid4().hex[:8]}"
    session = await talked(api, key, project)
    for expected in ("miss", "memory"):
        assert (await query(api, key, project, "testing")).headers["x-cairn-cache"] == expected
    assert (await query(api, key, project, "testing", "testing")).headers["x-cairn-cache"] == "memory"
    assert (await query(api, key, project, "learning")).headers["x-cairn-cache"] == "miss"
    before = await streamed(api, key, session)
    corrected = await api.ask("PUT", f"/v1/sessions/{session}/prompts/3/intent", key=key, json={"intent": "documentation"})
    assert corrected.status == 200
    assert TESTED not in texts(await query(api, key, project, "testing"))
    async with patience():
        while TESTED not in texts(await query(api, key, project, "documentation")):
            await asyncio.sleep(0.1)
    analysis = (await api.ask("GET", f"/v1/sessions/{session}/analysis", key=key)).json
    assert [(each["intent"], each["intent_confidence"] is None) for each in analysis["exchanges"]] == [
        ("exploration", False),
        ("documentation", True),
    ]
    after = await streamed(api, key, session, before[-1][1])
    assert [(name, data["seq"], data["intent"], data["confidence"]) for name, _, data in after] == [("intent", 3, "documentation", None)]
    assert await streamed(api, key, session, after[-1][1]) == []


async def streamed(api: Api, key: str, session: str, after: str | None = None) -> list[tuple[str, str, dict[str, Any]]]:
    headers = {} if after is None else {"last-event-id": after}
    reply = await api.ask("GET", f"/v1/sessions/{session}/stream?seconds=0", key=key, headers=headers)
    assert reply.status == 200, reply.text
    blocks = [each.splitlines() for each in reply.text.split("\n\n") if each.startswith("event: ")]
    told = [(name[7:], place[4:], json.loads(data[6:])) for name, place, data in blocks]
    return [each for each in told if each[0] != "knowledge"]  # told anew by each stream


async def test_the_stream_tells_each_prompts_intent_and_goes_on_after_any(api: Api) -> None:
    key, project = await api.developer(f"t{uuid4().hex[:8]}"), f"p{uuid4().hex[:8]}"
    session = await talked(api, key, project)
    await api.ask("PUT", f"/v1/sessions/{session}/prompts/1/intent", key=key, json={"intent": "learning"})
    whole = await streamed(api, key, session)
    told = [(data["seq"], data["intent"]) for name, _, data in whole if name == "intent"]
    assert told == [(1, "learning"), (3, "testing")]
    for number, (_, place, _) in enumerate(whole, start=1):
        assert [data for _, _, data in await streamed(api, key, session, place)] == [data for _, _, data in whole[number:]]
    for wrong in ("4.1~3.9~x", "4.1~3.9~1.2.3", "4.1~3.9~1.2~"):
        refused = await api.ask("GET", f"/v1/sessions/{session}/stream?seconds=0", key=key, headers={"last-event-id": wrong})
        assert (refused.status, refused.error["param"]) == (422, "last-event-id")


async def test_a_bare_yes_in_a_session_has_the_intent_of_the_offer_before_it(api: Api) -> None:
    word = uuid4().hex[:8]
    offered = (
        ("which file holds the settings?", "user"),
        ("In harbour.toml. Shall I write unit tests for it?", "assistant"),
        ("yes please", "user"),
    )
    events = generic(*((f"{word}-{number}", role, text) for number, (text, role) in enumerate(offered)))
    (session,) = (await api.ingest(events, project=f"p{word}"))["result"]["sessions"]
    assert (await api.ask("GET", f"/v1/sessions/{session}/prompts/3/intent")).json["intent"] == "testing"


async def test_an_intent_that_is_none_is_refused_and_named_with_the_eight(api: Api) -> None:
    refused = await query(api, "admin", "shop", "hacking")
    assert (refused.status, refused.error["param"]) == (422, "intents.0")
    assert "feature-dev" in refused.error["message"]


async def test_another_team_finds_and_corrects_nothing_by_intent(api: Api) -> None:
    key, project = await api.developer(f"t{uuid4().hex[:8]}"), f"p{uuid4().hex[:8]}"
    session = await talked(api, key, project)
    stranger = await api.developer(f"t{uuid4().hex[:8]}")
    assert texts(await query(api, stranger, project, "testing")) == ""
    assert (await api.ask("PUT", f"/v1/sessions/{session}/prompts/1/intent", key=stranger, json={"intent": "testing"})).status == 404
    assert TESTED not in texts(await query(api, stranger, None, "testing"))
