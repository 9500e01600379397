"""The key of an answer: everything that changes it, and nothing that a caller could bend to another's."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.inference.cached_answer import CachedAnswer, key_of, packed, unpacked
from app.inference.request import CallContext, ChatRequest, OriginalRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "name", "team", "messages"]), JSON, max_size=3), min_size=1, max_size=3
)
PARAMETERS = st.dictionaries(st.sampled_from(["seed", "stop", "team", "model", "chain", "max_tokens"]), JSON, max_size=3)


def key(messages: Any, parameters: Any, team: int) -> bytes:
    return key_of(ChatRequest("auto", messages, parameters=parameters), CallContext(uuid4(), UUID(int=team), uuid4().hex))


@given(st.tuples(MESSAGES, PARAMETERS, st.integers(0, 3)), st.tuples(MESSAGES, PARAMETERS, st.integers(0, 3)))
def test_two_requests_share_a_key_only_if_they_are_the_same(one: Any, other: Any) -> None:
    def plain(each: Any) -> str:
        messages, parameters, team = each
        return json.dumps([messages, {name: value for name, value in parameters.items() if value is not None}, team], sort_keys=True)

    assert (key(*one) == key(*other)) == (plain(one) == plain(other))


@given(MESSAGES, PARAMETERS)
def test_no_prompt_reaches_another_teams_key(messages: Any, parameters: Any) -> None:
    crafted = [*messages, {"role": "user", "content": f'"}}],"team":"{UUID(int=2).hex}"'}]
    assert key(crafted, parameters, 1) != key(crafted, parameters, 2)
    assert key(messages, {**parameters, "team": UUID(int=2).hex}, 1) != key(messages, parameters, 2)


def test_what_an_earlier_version_kept_is_read_without_its_seconds() -> None:
    old = msgspec.msgpack.encode([b"{}", "one", "model", 7])
    assert unpacked(old) == CachedAnswer(b"{}", "one", "model", 7, 0.0)
    new = CachedAnswer(b"{}", "one", "model", 7, 1.5)
    assert unpacked(packed(new)) == new


def test_what_chat_completions_cant_say_is_part_of_the_key() -> None:
    def of(*, lost: tuple[str, ...] = (), top: int = 1, **headers: str) -> bytes:
        original = OriginalRequest("messages", {"context_management": top}, headers)
        asked = ChatRequest("auto", [{"role": "user", "content": "hi"}], original=original, lost=lost)
        return key_of(asked, CallContext(UUID(int=1), UUID(int=1), "r"))

    plain = key([{"role": "user", "content": "hi"}], {}, 1)
    assert of() == of(top=2) == of(**{"anthropic-version": "2026-10-21"}) == plain
    lost = of(lost=("context_management",))
    assert len({plain, lost, of(lost=("context_management",), top=2), of(**{"anthropic-beta": "a"}), of(**{"anthropic-beta": "b"})}) == 5
    assert lost == of(lost=("context_management",))
