"""Gemini answers, whole and streamed: parts, ends and usage in the forms that Google documents; what is no answer is a fault."""

from __future__ import annotations

from typing import Any

import pytest

from app.budget.prices import TokenUsage
from app.inference.answer_events import (
    AnswerChoice,
    AnswerEnded,
    AnswerEvent,
    AnswerStarted,
    ArgumentsDelta,
    ChoiceEnded,
    PartEnded,
    PartStarted,
    SignatureDelta,
    StopReason,
    TextDelta,
    UsageReported,
    WholeAnswer,
)
from app.inference.conversation import Conversation, Opaque, Part, Text, Thinking, ToolDefinition, ToolInvocation
from app.inference.dialects.gemini import GEMINI
from app.inference.dialects.makers import of_gemini
from app.inference.provider_errors import ProviderError
from tests.unit.inference.dialects.assembled import assembled

Json = dict[str, Any]
USAGE = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 300,
    "totalTokenCount": 420,
}
TOLD = TokenUsage(input=100, output=320, cached_input=60, reasoning=300)
ASKED = Conversation("auto", (), (ToolDefinition("sh", kind="custom"), ToolDefinition("look")))
SIGNATURE = of_gemini("c2ln")


def candidate(*parts: Json, finish: str | None = None, index: int | None = 0) -> Json:
    made: Json = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    made |= {} if finish is None else {"finishReason": finish}
    return made if index is None else {**made, "index": index}


def answer(*candidates: Json, **more: Any) -> Json:
    made: Json = {"candidates": list(candidates)} if candidates else {}
    return {**made, "usageMetadata": USAGE, "modelVersion": "gemini-x-001", "responseId": "r1", **more}


def called(name: str, signature: str | None = None, **fields: Any) -> Json:
    return {"functionCall": {"name": name, **fields}, **({} if signature is None else {"thoughtSignature": signature})}


def streamed(*events: Json, asked: Conversation | None = None) -> list[AnswerEvent]:
    reader = GEMINI.event_reader(asked)
    return [*(each for event in events for each in reader.feed(event)), *reader.end()]


def test_a_whole_answer_is_read() -> None:
    found = GEMINI.read_answer(answer(candidate({"text": "hm", "thought": True}, {"text": "He"}, {"text": "llo"}, finish="STOP")))
    assert found == WholeAnswer((AnswerChoice((Thinking("hm"), Text("Hello")), "end"),), "r1", "gemini-x-001", None, TOLD)


def test_a_stream_is_read_event_for_event() -> None:
    first = {"promptTokenCount": 100, "totalTokenCount": 100}
    found = streamed(
        answer(candidate({"text": "h", "thought": True}), usageMetadata=first),
        answer(candidate({"text": "m", "thought": True}, {"text": "He"}), usageMetadata=first),
        answer(candidate({"text": "llo"})),
        answer(candidate(called("look", "c2ln", args={"a": 1}, id="x"))),
        answer(candidate({"text": ""}, finish="STOP")),
    )
    assert found == [
        AnswerStarted("r1", "gemini-x-001"),
        PartStarted(0, "thinking"),
        TextDelta(0, "h"),
        UsageReported(TokenUsage(100, 0)),
        TextDelta(0, "m"),
        PartEnded(0),
        PartStarted(1, "text"),
        TextDelta(1, "He"),
        UsageReported(TokenUsage(100, 0)),
        TextDelta(1, "llo"),
        UsageReported(TOLD),
        PartEnded(1),
        PartStarted(2, "thinking"),
        SignatureDelta(2, SIGNATURE),
        PartEnded(2),
        PartStarted(3, "tool_call", call_id="x", name="look"),
        ArgumentsDelta(3, '{"a":1}'),
        PartEnded(3),
        UsageReported(TOLD),
        ChoiceEnded("tool_calls"),
        UsageReported(TOLD),
        AnswerEnded(),
    ]


PARTS: list[tuple[list[Json], tuple[Part, ...]]] = [
    ([], ()),
    ([{"text": ""}], ()),
    ([{"text": "a"}, {"text": "b"}], (Text("ab"),)),
    ([{"text": "a", "thoughtSignature": "c2ln"}], (Text("a"),)),
    ([{"text": "", "thoughtSignature": "c2ln"}], ()),
    (
        [{"text": "a", "thought": True, "thoughtSignature": "c2ln"}, {"text": "b", "thought": True}],
        (Thinking("a", SIGNATURE), Thinking("b")),
    ),
    ([{"text": "a", "thought": True}, called("look", "c2ln", id="x")], (Thinking("a", SIGNATURE), ToolInvocation("x", "look", "{}"))),
    ([called("look", "c2ln", id="x")], (Thinking("", SIGNATURE), ToolInvocation("x", "look", "{}"))),
    (
        [called("look", "c2ln", id="x"), called("look", id="y", args={"ü": [1, None]})],
        (Thinking("", SIGNATURE), ToolInvocation("x", "look", "{}"), ToolInvocation("y", "look", '{"ü":[1,null]}')),
    ),
    ([called("sh", id="x", args={"input": "ls\n"})], (ToolInvocation("x", "sh", "ls\n", "custom"),)),
    ([called("sh", id="x")], (ToolInvocation("x", "sh", "", "custom"),)),
    (
        [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}, {"text": "a"}, {"newPart": {}}],
        (Opaque("gemini", "inlineData", {"inlineData": {"mimeType": "image/png", "data": "AA=="}}), Text("a")),
    ),
]


@pytest.mark.parametrize(("given", "read"), PARTS)
def test_parts_are_read_alike_whole_and_in_any_events(given: list[Json], read: tuple[Part, ...]) -> None:
    whole = GEMINI.read_answer(answer(candidate(*given, finish="STOP")), ASKED)
    assert whole.choices[0].parts == read
    assert assembled(streamed(answer(candidate(*given, finish="STOP")), asked=ASKED)) == whole
    one_each = [answer(candidate(part)) for part in given]
    assert assembled(streamed(*one_each, answer(candidate(finish="STOP")), asked=ASKED)) == whole


def test_calls_without_ids_get_ids_of_their_own_in_each_answer() -> None:
    def ids(**more: Any) -> list[str]:
        given = answer(candidate(called("look"), called("look"), finish="STOP"), candidate(called("look"), finish="STOP", index=1), **more)
        choices = GEMINI.read_answer(given).choices
        return [part.id for choice in choices for part in choice.parts if isinstance(part, ToolInvocation)]

    assert ids() == ids()
    found = [*ids(), *ids(responseId="r2"), *ids(responseId=None), *ids(responseId=None)]
    assert len(set(found)) == len(found) == 12
    halves = [answer(candidate(called("look"))), answer(candidate(called("look"), finish="STOP"))]
    assert [each.call_id for each in streamed(*halves) if isinstance(each, PartStarted)] == ids()[:2]


def test_half_a_character_in_a_calls_arguments_is_replaced() -> None:
    given = answer(candidate(called("look", args={"text": "a\ud83e", "\ud83e": 1}, id="x"), finish="STOP"))
    [part] = GEMINI.read_answer(given).choices[0].parts
    assert isinstance(part, ToolInvocation)
    assert part.arguments == '{"text":"a\ufffd","\ufffd":1}'


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "end"),
        ("MAX_TOKENS", "max_tokens"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("IMAGE_PROHIBITED_CONTENT", "content_filter"),
        ("A_WORD_OF_NEXT_YEAR", "end"),
    ],
)
def test_a_finish_has_its_reason(word: str, reason: StopReason) -> None:
    given = answer(candidate({"text": "a"}, finish=word))
    assert GEMINI.read_answer(given).choices[0].reason == reason
    assert ChoiceEnded(reason) in streamed(given)
    calls = answer(candidate(called("look"), finish=word))
    assert GEMINI.read_answer(calls).choices[0].reason == ("tool_calls" if reason == "end" else reason)


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
@pytest.mark.parametrize("parts", [(), ({"text": "I'll look."},)])
def test_a_call_that_gemini_withholds_is_a_fault_and_no_end(word: str, parts: tuple[Json, ...]) -> None:
    given = answer(candidate(*parts, finish=word))
    for read in (GEMINI.read_answer, streamed):
        with pytest.raises(ProviderError, match=word) as caught:
            read(given)
        assert (caught.value.kind, caught.value.unknown, caught.value.usage, caught.value.counts) == ("empty", True, TOLD, False)


@pytest.mark.parametrize("word", [None, "", "FINISH_REASON_UNSPECIFIED"])
def test_an_answer_without_a_finish_is_cut(word: str | None) -> None:
    given = answer(candidate({"text": "a"}, finish=word))
    for read in (GEMINI.read_answer, streamed):
        with pytest.raises(ProviderError) as caught:
            read(given)
        assert (caught.value.kind, caught.value.unknown) == ("cut", True)
    assert ChoiceEnded("end") in streamed(given, answer(candidate(finish="STOP")))


def test_one_of_two_choices_without_a_finish_is_cut() -> None:
    with pytest.raises(ProviderError, match="finishReason"):
        streamed(answer(candidate({"text": "a"}, finish="STOP"), candidate({"text": "b"}, index=1)))


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
def test_a_blocked_prompt_is_a_filtered_answer(reason: str) -> None:
    given = answer(promptFeedback={"blockReason": reason}, usageMetadata={"promptTokenCount": 9, "totalTokenCount": 9})
    found = GEMINI.read_answer(given)
    assert found == WholeAnswer((AnswerChoice((), "content_filter"),), "r1", "gemini-x-001", None, TokenUsage(9, 0))
    assert assembled(streamed(given)) == found


@pytest.mark.parametrize("more", [{}, {"promptFeedback": {}}, {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}])
def test_an_answer_without_candidates_is_empty_and_such_a_stream_cut(more: Json) -> None:
    with pytest.raises(ProviderError) as caught:
        GEMINI.read_answer(answer(**more))
    assert (caught.value.kind, caught.value.usage) == ("empty", TOLD)
    with pytest.raises(ProviderError) as caught:
        streamed(answer(**more))
    assert caught.value.kind == "cut"


def test_choices_come_by_their_index() -> None:
    given = [
        answer(candidate({"text": "b"}, index=1), candidate({"text": "a"})),
        answer(candidate({"text": "d"}, finish="MAX_TOKENS", index=1), candidate({"text": "c"}, finish="STOP", index=None)),
    ]
    # the index 0 is left out, as Gemini does: the place must not decide
    given[1]["candidates"].reverse()
    found = assembled(streamed(*given))
    assert found.choices == (AnswerChoice((Text("ac"),), "end"), AnswerChoice((Text("bd"),), "max_tokens"))
    whole = GEMINI.read_answer(answer(candidate({"text": "b"}, finish="STOP", index=1), candidate({"text": "a"}, finish="STOP")))
    assert [choice.parts for choice in whole.choices] == [(Text("a"),), (Text("b"),)]


def test_what_follows_a_finish_is_ignored_but_usage() -> None:
    found = streamed(
        answer(candidate({"text": "a"}, finish="STOP"), usageMetadata=None),
        answer(candidate({"text": "b"}, finish="MAX_TOKENS"), usageMetadata=None),
        answer(),
    )
    assert assembled(found) == WholeAnswer((AnswerChoice((Text("a"),), "end"),), "r1", "gemini-x-001", None, TOLD)


@pytest.mark.parametrize(
    ("error", "kind", "status", "wait"),
    [
        ({"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}, "server_error", 503, None),
        ({"code": 500, "message": "internal", "status": "INTERNAL"}, "server_error", 500, None),
        ({"code": 403, "message": "no", "status": "PERMISSION_DENIED"}, "key", 403, None),
        (
            {
                "code": 429,
                "message": "quota",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.5s"}],
            },
            "rate_limited",
            429,
            36.5,
        ),
        (
            {
                "code": 400,
                "message": "The input token count (9) exceeds the maximum number of tokens allowed (5).",
                "status": "INVALID_ARGUMENT",
            },
            "context_too_long",
            400,
            None,
        ),
        ({"code": 400, "message": "Invalid value at 'contents'", "status": "INVALID_ARGUMENT"}, "caller", 400, None),
    ],
)
def test_an_error_object_is_judged_by_its_status(error: Json, kind: str, status: int, wait: float | None) -> None:
    for read in (GEMINI.read_answer, streamed):
        with pytest.raises(ProviderError) as caught:
            read({"error": error})
        assert (caught.value.kind, caught.value.status, caught.value.retry_after) == (kind, status, wait)


@pytest.mark.parametrize(
    "given",
    [
        [],
        "x",
        {"candidates": 7},
        {"candidates": ["x"]},
        {"candidates": [{"content": {"parts": "x"}, "finishReason": "STOP"}]},
        {"candidates": [{"content": {"parts": [1]}, "finishReason": "STOP"}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {}}]}, "finishReason": "STOP"}]},
        {"candidates": [{"content": {"parts": [{"functionCall": "x"}]}, "finishReason": "STOP"}]},
    ],
)
def test_nonsense_is_malformed(given: Any) -> None:
    for read in (GEMINI.read_answer, streamed):
        with pytest.raises(ProviderError) as caught:
            read(given)
        assert caught.value.kind == "malformed"
