"""Intents over HTTP: a prompt classified, every prompt of a session told, corrected by who may, and the team's head fitted anew."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.trajectory.intent.correcting import TRAIN
from tests.integration.api.conftest import Api, generic
from tests.waiting import patience

THINGS = ("ledger", "parser", "importer", "scheduler", "gateway", "mailer", "renderer", "archive", "router", "index", "queue", "crawler")


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("write unit tests for the invoice rounding", "testing"),
        ("the upload crashes with a stack overflow, please repair it", "debugging"),
        ("重构这个模块，去掉重复代码", "refactoring"),
        ("¿qué es un semáforo?", "learning"),
    ],
)
async def test_a_prompt_is_classified_with_its_runner_up_and_a_reason(api: Api, said: str, intent: str) -> None:
    done = await api.ask("POST", "/v1/classify", json={"text": said})
    assert done.status == 200, done.text
    found = done.json
    assert (found["intent"], found["activity"], found["health"]) == (intent, None, None)
    assert found["intents"][0]["intent"] == intent
    assert found["intents"][0]["confidence"] == found["intent_confidence"] >= found["intents"][1]["confidence"]
    assert "Nearest example" in found["because"]


async def test_a_prompt_that_only_agrees_has_the_intent_of_the_offer(api: Api) -> None:
    asked = {"text": "yes please", "context": "The parser works now. Shall I write unit tests for it?"}
    assert (await api.ask("POST", "/v1/classify", json=asked)).json["intent"] == "testing"


async def test_events_alone_have_no_intent(api: Api) -> None:
    events = [{"id": "1", "role": "tool", "tool": {"name": "bash", "input": "pytest", "output": "1 failed", "exit_code": 1}}]
    done = await api.ask("POST", "/v1/classify", json={"events": events})
    assert (done.status, done.json["intent"], done.json["intents"], done.json["intent_confidence"]) == (200, None, [], None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "text"),
        ({"text": "  \n"}, "text"),
        ({"text": 3}, "text"),
        ({"text": "a", "events": [{"id": "", "role": "user"}]}, "events.0.id"),
        ({"text": "a", "events": [{"id": "1", "role": "robot"}]}, "events.0.role"),
        ({"text": "a", "wish": 1}, "wish"),
    ],
)
async def test_what_cannot_be_classified_is_refused_by_its_field(api: Api, body: object, param: str) -> None:
    refused = await api.ask("POST", "/v1/classify", json=body)
    assert (refused.status, refused.error["param"]) == (422, param)


async def test_more_events_than_a_request_may_hold_are_refused(api: Api) -> None:
    limit = api.services.settings.sessions.max_live_events
    events = [{"id": str(number), "role": "user"} for number in range(limit + 1)]
    refused = await api.ask("POST", "/v1/classify", json={"events": events})
    assert refused.status in {413, 422}


async def test_every_prompt_of_a_session_is_told_and_its_author_corrects_it(api: Api) -> None:
    team, word = f"team-{uuid4().hex[:10]}", uuid4().hex[:8]
    author, other = await api.developer(team), await api.developer(team)
    events = generic(
        (f"{word}-1", "user", "which file holds the settings?"),
        (f"{word}-2", "assistant", "app.toml"),
        (f"{word}-3", "user", "write unit tests for it"),
    )
    done = await api.ingest(events, key=author, project=f"p-{word}")
    assert done["result"]["intents"] == {"prompts": 2}
    (session,) = done["result"]["sessions"]
    path = f"/v1/sessions/{session}/prompts/{{}}/intent"
    told = (await api.ask("GET", path.format(3), key=author)).json
    assert (told["intent"], told["told"], told["corrected_by"]) == ("testing", "testing", None)
    assert (await api.ask("PUT", path.format(3), key=other, json={"intent": "learning"})).status == 403
    for wrong in ({"intent": "hacking"}, {}, {"intent": None}):
        assert (await api.ask("PUT", path.format(3), key=author, json=wrong)).error["param"] == "intent"
    corrected = await api.ask("PUT", path.format(3), key=author, json={"intent": "feature-dev"})
    assert (corrected.status, corrected.json["intent"], corrected.json["told"]) == (200, "feature-dev", "testing")
    assert corrected.json["corrected_by"].startswith("dev-")
    again = await api.ask("PUT", path.format(3), key=author, json={"intent": "debugging"})
    assert again.json["intent"] == "debugging"
    assert (await api.ask("GET", path.format(3), key=other)).json["intent"] == "debugging"
    async with api.services.database.begin() as connection:
        rows = await connection.execute(
            text("select told, intent from intent_corrections where session_id = :of order by id"), {"of": session}
        )
        assert [tuple(row) for row in rows] == [("testing", "feature-dev"), ("feature-dev", "debugging")]


async def test_what_is_no_prompt_has_no_intent_to_correct(api: Api) -> None:
    word = uuid4().hex[:8]
    done = await api.ingest(generic((f"{word}-1", "user", "run the tests"), (f"{word}-2", "assistant", "done")), project=f"p-{word}")
    (session,) = done["result"]["sessions"]
    for seq in (2, 99):
        assert (await api.ask("GET", f"/v1/sessions/{session}/prompts/{seq}/intent")).status == 404
        refused = await api.ask("PUT", f"/v1/sessions/{session}/prompts/{seq}/intent", json={"intent": "testing"})
        assert (refused.status, refused.error["param"]) == (404, "seq")
    assert (await api.ask("GET", f"/v1/sessions/{session}/prompts/0/intent")).status == 422
    assert (await api.ask("GET", f"/v1/sessions/{uuid4()}/prompts/1/intent")).status == 404


async def test_a_session_that_grows_has_the_new_prompts_told_too(api: Api) -> None:
    name = f"live-{uuid4().hex[:10]}"
    for number, said in enumerate(("what is a mutex?", "refactor the loader into smaller functions"), start=1):
        sent = await api.ask(
            "POST",
            f"/v1/sessions/{name}/events",
            data=generic((f"{name}-{number}", "user", said)).encode(),
            headers={"content-type": "application/x-ndjson"},
        )
        assert sent.status == 202, sent.text
        session = sent.json["session_id"]
        async with patience():
            while (found := await api.ask("GET", f"/v1/sessions/{session}/prompts/{number}/intent")).status != 200:
                await asyncio.sleep(0.1)
        assert found.json["intent"] == ("learning", "refactoring")[number - 1]


@pytest.mark.long
async def test_a_team_teaches_its_own_word_and_a_purge_takes_the_lesson_back(api: Api) -> None:
    team, word = f"team-{uuid4().hex[:10]}", uuid4().hex[:8]
    author = await api.developer(team)
    asked = {"text": f"do the {word} of the billing now!"}
    before = (await api.ask("POST", "/v1/classify", key=author, json=asked)).json["intent"]
    wanted = "refactoring" if before != "refactoring" else "documentation"
    events = generic(*((f"{word}-{number}", "user", f"do the {word} of the {thing} now!") for number, thing in enumerate(THINGS)))
    (session,) = (await api.ingest(events, key=author, project=f"p-{word}"))["result"]["sessions"]
    for seq in range(1, len(THINGS) + 1):
        assert (await api.ask("PUT", f"/v1/sessions/{session}/prompts/{seq}/intent", key=author, json={"intent": wanted})).status == 200
    async with patience():
        while (await api.ask("POST", "/v1/classify", key=author, json=asked)).json["intent"] != wanted:
            await asyncio.sleep(0.5)
    assert (await api.ask("POST", "/v1/classify", json=asked)).json["intent"] == before, "another team's classifier learnt it too"
    assert (await api.ask("DELETE", f"/v1/sessions/{session}", key=author)).status == 200
    async with patience():
        while (await api.ask("POST", "/v1/classify", key=author, json=asked)).json["intent"] != before:
            await asyncio.sleep(0.5)
    async with api.services.database.begin() as connection:
        jobs = await connection.scalar(text("select count(*) from jobs where kind = :kind and state = 'failed'"), {"kind": TRAIN})
    assert jobs == 0
