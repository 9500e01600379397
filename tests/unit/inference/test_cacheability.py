"""What the cache may answer, to whom, and what may be kept: a secret is found wherever it stands, and others have their turn meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.cacheability import MAX_CHECKED_CHARS, REACH_CHARS, STEP_CHARS, bypass_of, holds_secret, keepable, plan
from app.inference.cached_answer import CachedAnswer, whole
from app.inference.dialects.messages import MESSAGES
from app.inference.request import CacheMode, CallContext, CallOrigin, ChatRequest, OriginalRequest
from app.settings import CompletionsCacheSettings

KEY = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEpAIBAAKCAQEA7bq2kfX9yJ0zqLw8vN3tR5uYxC1mD4oP6sQeFhGjKlZi\n" * 200
    + "-----END RSA PRIVATE KEY-----"
)
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ" * 100
    + ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
PROSE = "The tide comes in twice a day and the boats lie on the sand until then. "


def answer(text: str, finish: str = "stop") -> CachedAnswer:
    return CachedAnswer(whole({"id": "1"}, text, finish, {}), "one", "model", 1)


@given(st.integers(0, MAX_CHECKED_CHARS), st.sampled_from([KEY, PEM, JWT]))
def test_a_secret_is_found_wherever_it_stands(at: int, secret: str) -> None:
    prose = PROSE * (MAX_CHECKED_CHARS // len(PROSE) + 1)
    assert asyncio.run(holds_secret(f"{prose[:at]} {secret} {prose[at:]}"))


async def test_clean_text_of_any_length_holds_none() -> None:
    for length in (0, 1, STEP_CHARS, STEP_CHARS + REACH_CHARS + 1, MAX_CHECKED_CHARS):
        assert not await holds_secret((PROSE * 1000)[:length])


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (answer("Fine."), True),
        (answer("Fine, so far", "length"), True),
        (answer("No.", "content_filter"), False),
        (answer(""), False),
        (answer(f"Use {KEY}."), False),
        (answer("x" * (MAX_CHECKED_CHARS + 1)), False),
        (CachedAnswer(msgspec.json.encode({"choices": []}), "one", "model", 1), False),
    ],
)
async def test_only_whole_clean_answers_are_kept(found: CachedAnswer, kept: bool) -> None:
    assert await keepable(found) is kept


async def test_a_long_answer_lets_others_have_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await keepable(answer((PROSE * 1000)[:MAX_CHECKED_CHARS]))
    task.cancel()
    assert turns >= (MAX_CHECKED_CHARS - REACH_CHARS) // STEP_CHARS - 1


OPTIONS = CompletionsCacheSettings()
TOOL = {"type": "function", "function": {"name": "look"}}
CALLED = [
    {"role": "user", "content": "look"},
    {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "1", "content": "a door"},
]
EARLIER = [{"role": "user", "content": "look"}, {"role": "assistant", "function_call": {"name": "look", "arguments": "{}"}}]
PLAIN = [{"role": "user", "content": "why?"}]
SEARCHING = MESSAGES.read_request(
    {"model": "auto", "max_tokens": 9, "messages": PLAIN, "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]}
)
"""Its tool is one that the vendor runs, which Chat Completions can't say."""
TEAM, ADA, BOB = uuid4(), uuid4(), uuid4()


def asker(session: str | None = None, developer: UUID = ADA) -> CallContext:
    return CallContext(developer, TEAM, uuid4().hex, origin=CallOrigin(session))


def asked(messages: Sequence[Mapping[str, Any]] = PLAIN, *, cache: CacheMode = "auto", choices: int = 1, **parameters: Any) -> ChatRequest:
    return ChatRequest("auto", messages, parameters=parameters, choices=choices, cache=cache)


@pytest.mark.parametrize(
    ("request_", "session", "bypass"),
    [
        (asked(), None, None),
        (asked(temperature=0), "one", None),
        (asked(temperature=0.0), None, None),
        (asked(), "one", "creative"),
        (asked(temperature=0.1), "one", "creative"),
        (asked(temperature=0.1), None, "creative"),
        (asked(temperature=0, choices=2), "one", "creative"),
        (asked(cache="refresh"), "one", "creative"),
        (asked(temperature=0, cache="refresh"), "one", None),
        (asked(cache="always"), "one", None),
        (asked(temperature=0, cache="never"), "one", "request"),
        (asked(temperature=0, logprobs=True), "one", "fields"),
        (asked(temperature=0, tools=[TOOL]), None, "tools"),
        (asked(temperature=0, functions=[{"name": "look"}]), None, "tools"),
        (asked(CALLED, temperature=0), None, "tools"),
        (asked(EARLIER, temperature=0), None, "tools"),
        (asked(temperature=0, tools=[TOOL], cache="always"), None, "tools"),
        (asked(temperature=0, tools=[TOOL]), "one", None),
        (asked(CALLED, temperature=0), "one", None),
        (asked(CALLED), "one", "creative"),
        (asked(tools=[TOOL]), "one", "creative"),
        (asked(temperature=0, tools=[]), None, None),
        (replace(asked(temperature=0), conversation=SEARCHING), None, "tools"),
        (replace(asked(), conversation=SEARCHING), "one", "creative"),
    ],
)
def test_the_cache_takes_part_only_where_the_rules_allow_it(request_: ChatRequest, session: str | None, bypass: str | None) -> None:
    assert bypass_of(request_, asker(session), OPTIONS) == bypass
    assert bypass_of(request_, asker(session), CompletionsCacheSettings(enabled=False)) == "off"


@pytest.mark.parametrize("request_", [asked(temperature=0, tools=[TOOL]), asked(CALLED, temperature=0), asked(EARLIER, temperature=0)])
def test_a_turn_with_tools_has_a_key_of_its_developers_session(request_: ChatRequest) -> None:
    def key(who: CallContext) -> bytes:
        return plan(request_, who, OPTIONS, by_meaning=False).key

    assert key(asker("one")) == key(asker("one"))
    assert len({key(asker("one")), key(asker("two")), key(asker("one", BOB))}) == 3


def test_what_only_the_callers_own_dialect_says_counts() -> None:
    def key(body: Mapping[str, Any], *lost: str, **headers: str) -> bytes:
        request = replace(asked(temperature=0), original=OriginalRequest("messages", body, headers), lost=lost)
        return plan(request, asker(), OPTIONS, by_meaning=False).key

    body = {"messages": PLAIN, "metadata": {"user_id": "ada"}, "stream": True}
    assert key(body) == key({"messages": PLAIN, "metadata": {"user_id": "bob"}})
    other = {"messages": [{"role": "user", "content": [{"type": "new_kind"}]}]}
    managed = key({**body, "context_management": {}}, "context_management")
    assert len({key(body), managed, key(other, "user.new_kind"), key(body, beta="x")}) == 4


def test_a_plain_deterministic_prompt_is_the_whole_teams() -> None:
    keys = {plan(asked(temperature=0), each, OPTIONS, by_meaning=False).key for each in (asker("one"), asker("two", BOB), asker())}
    assert len(keys) == 1


def test_an_agent_gets_no_answer_to_another_question() -> None:
    assert plan(asked(temperature=0), asker(), OPTIONS, by_meaning=True).question is not None
    assert plan(asked(temperature=0), asker("one"), OPTIONS, by_meaning=True).question is None
