"""Requests of agents that are nearly right: read, or refused with the field's name; what was read can be sent, or is refused as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api import anthropic, responses
from app.errors import InvalidInput
from app.inference.conversation import Conversation
from app.inference.conversations import chat_request
from app.inference.dialects.messages import MESSAGES
from app.inference.dialects.responses import RESPONSES
from tests.fakes.mutated import MESSAGES_BODY, RESPONSES_BODY, mutated

Reader = Callable[[dict[str, Any]], Conversation]
READERS: list[tuple[Reader, dict[str, Any]]] = [
    (partial(anthropic.read_conversation, uses=5), MESSAGES_BODY),
    (responses.read_conversation, RESPONSES_BODY),
]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(("read", "body"), READERS, ids=["messages", "responses"])
def test_a_request_is_read_or_the_wrong_field_is_named(read: Reader, body: dict[str, Any], data: st.DataObject) -> None:
    try:
        conversation = read(data.draw(mutated(body)))
    except InvalidInput as refusal:
        assert refusal.param
        assert refusal.message.endswith(".")
        return
    for write in (lambda: chat_request(conversation, size=0, cache="auto").parameters, *_writers(conversation)):
        try:
            msgspec.json.encode(write())
        except InvalidInput as refusal:
            assert refusal.message


def _writers(conversation: Conversation) -> list[Callable[[], Any]]:
    return [lambda: MESSAGES.write_request(conversation).body, lambda: RESPONSES.write_request(conversation).body]


@pytest.mark.parametrize(("read", "body"), READERS, ids=["messages", "responses"])
def test_what_is_mutated_is_right_before(read: Reader, body: dict[str, Any]) -> None:
    assert read(body).tools
