"""Thinking is left out once a provider refuses it, and only then."""

from __future__ import annotations

from uuid import uuid4

import pytest

from app.errors import ContentRejected
from app.inference.conversation import Conversation, Options, Reasoning, Text, Thinking, Turn
from app.inference.refused_thinking import ThinkingRetryEngine, refuses_thinking, without_thinking
from app.inference.request import CallContext, ChatRequest, CompletionAnswer, Receipt

SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"
TURNS = (
    Turn("user", (Text("hi"),)),
    Turn("assistant", (Thinking("hm", "sig"), Text("yes"))),
    Turn("assistant", (Thinking("", sealed="x"),)),
)
THOUGHTFUL = Conversation("auto", TURNS, options=Options(reasoning=Reasoning(budget_tokens=2000), max_tokens=5000))
PLAIN = Conversation("auto", TURNS[:1])


class RefusingEngine:
    """Refuses every request, or all that hold thinking; keeps the ids and messages of what was asked."""

    def __init__(self, said: str, *, always: bool = False) -> None:
        self.asked: list[tuple[str, ChatRequest]] = []
        self._said = said
        self._always = always

    async def complete(self, request: ChatRequest, asker: CallContext) -> CompletionAnswer:
        self.asked.append((asker.request_id, request))
        if self._always or any("thinking_blocks" in message for message in request.messages):
            raise ContentRejected(self._said)
        return CompletionAnswer(b'{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}', Receipt("one"))

    async def open_stream(self, request: ChatRequest, asker: CallContext, *, usage_asked: bool = False) -> None:
        del usage_asked
        await self.complete(request, asker)


def context() -> CallContext:
    return CallContext(uuid4(), uuid4(), "first")


async def test_the_second_request_has_no_thinking_and_an_id_of_its_own() -> None:
    engine = RefusingEngine(SIGNATURE)
    answer, receipt = await ThinkingRetryEngine(engine).complete(THOUGHTFUL, context())  # type: ignore[arg-type]
    assert answer.choices[0].parts == (Text("ok"),)
    assert receipt.dropped == ("thinking",)
    (first, _), (second, request) = engine.asked
    assert first == "first" != second
    assert request.messages == [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    assert "reasoning_effort" not in request.parameters


@pytest.mark.parametrize("call", ["complete", "open_stream"])
async def test_a_second_refusal_is_the_callers(call: str) -> None:
    engine = RefusingEngine(SIGNATURE, always=True)
    with pytest.raises(ContentRejected, match="Invalid `signature`"):
        await getattr(ThinkingRetryEngine(engine), call)(THOUGHTFUL, context())  # type: ignore[arg-type]
    assert len(engine.asked) == 2


@pytest.mark.parametrize("call", ["complete", "open_stream"])
@pytest.mark.parametrize(("conversation", "said"), [(THOUGHTFUL, "max_tokens is too large"), (PLAIN, SIGNATURE)])
async def test_any_other_refusal_is_the_callers_at_once(conversation: Conversation, said: str, call: str) -> None:
    engine = RefusingEngine(said, always=True)
    with pytest.raises(ContentRejected):
        await getattr(ThinkingRetryEngine(engine), call)(conversation, context())  # type: ignore[arg-type]
    assert len(engine.asked) == 1


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (SIGNATURE, True),
        ("messages.3.content.1: Invalid `data` in `redacted_thinking` block", True),
        ("messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.", True),
        ("`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.", True),
        ("Function call is missing a thought_signature in functionCall parts.", True),
        ("Thought signature is not valid.", True),
        ("`max_tokens` must be greater than `thinking.budget_tokens`.", False),
        ("messages: text content blocks must be non-empty", False),
        ("the signature of the function is wrong", False),
    ],
)
def test_a_refusal_is_known_by_its_words(said: str, refused: bool) -> None:
    assert refuses_thinking(ContentRejected(said), THOUGHTFUL) is refused
    assert not refuses_thinking(ContentRejected(said), PLAIN)


def test_a_turn_that_was_only_thinking_goes_with_it() -> None:
    left = without_thinking(THOUGHTFUL)
    assert left.turns == (TURNS[0], Turn("assistant", (Text("yes"),)))
    assert left.options == Options(max_tokens=5000)
