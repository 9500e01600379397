"""Chat Completions streams: chunks to typed events and back, in the forms that servers really send, cut off anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
    TextDelta,
    UsageReported,
)
from app.inference.conversation import Conversation, Part, RefusalText, Text, Thinking, ToolDefinition, ToolInvocation
from app.inference.dialects.chat import CHAT
from app.inference.provider_errors import ProviderError
from tests.unit.inference.dialects.assembled import assembled

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
ASKED = Conversation("auto", (), (ToolDefinition("sh", kind="custom"), ToolDefinition("look")))
Json = dict[str, Any]


def chunk(delta: Json | None = None, finish: str | None = None, index: int = 0, **more: Any) -> Json:
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "m-1", "choices": choices, **more}


def call(arguments: str, index: int = 0, **more: Any) -> Json:
    return {
        "tool_calls": [
            {"index": index, "function": {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}, **more}
        ]
    }


def said(*texts: str) -> list[Json]:
    return [chunk({"content": text}) for text in texts]


def events(stream: Iterable[Mapping[str, Any]], asked: Conversation | None = ASKED) -> list[AnswerEvent]:
    reader = CHAT.event_reader(asked)
    return [*(event for each in stream for event in reader.feed(each)), *reader.end()]


def only(stream: Iterable[Mapping[str, Any]]) -> AnswerChoice:
    (choice,) = assembled(events(stream)).choices
    return choice


STOP = chunk({}, "stop")
PARALLEL = [
    chunk({"role": "assistant", "content": None}),
    chunk(call("", 0, id="a", type="function", name="look")),
    chunk(call('{"x"', 0)),
    chunk(call(":1}", 0)),
    chunk(call("", 1, id="b", type="function", name="look")),
    chunk(call('{"x":2}', 1)),
    chunk({}, "tool_calls"),
    chunk(usage=USAGE),
]
THOUGHT = [
    chunk({"role": "assistant", "reasoning_content": "is it", "thinking_blocks": [{"type": "thinking", "thinking": "is it"}]}),
    chunk({"reasoning_content": " warm", "thinking_blocks": [{"type": "thinking", "thinking": " warm"}]}),
    chunk({"thinking_blocks": [{"type": "thinking", "thinking": "is it warm", "signature": "sig=="}]}),
    chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": "sealed=="}]}),
    chunk({"reasoning_content": "yes", "thinking_blocks": [{"type": "thinking", "thinking": "yes"}]}),
    chunk({"thinking_blocks": [{"type": "thinking", "thinking": "yes", "signature": "sig2"}]}),
    *said("It", " is."),
    STOP,
    chunk(usage=USAGE),
]
LOOK_1, LOOK_2 = ToolInvocation("a", "look", '{"x":1}'), ToolInvocation("b", "look", '{"x":2}')

STREAMS: dict[str, tuple[list[Json], tuple[Part, ...], str]] = {
    "text": ([chunk({"role": "assistant", "content": ""}), *said("He", "llo"), STOP, chunk(usage=USAGE)], (Text("Hello"),), "end"),
    "text with the finish in it": ([*said("He"), chunk({"content": "llo"}, "length")], (Text("Hello"),), "max_tokens"),
    "nothing": ([chunk({"role": "assistant"}), STOP], (), "end"),
    "nothing but usage after the finish": ([STOP, chunk(usage=USAGE)], (), "end"),
    "an empty finish until the end": ([chunk({"content": "a"}, ""), chunk({"content": "b"}, ""), STOP], (Text("ab"),), "end"),
    "parallel calls": (PARALLEL, (LOOK_1, LOOK_2), "tool_calls"),
    "parallel calls, interleaved": (
        [
            chunk(call("", 0, id="a", name="look")),
            chunk(call("", 1, id="b", name="look")),
            chunk(call('{"x":', 0)),
            chunk(call('{"x":', 1)),
            chunk(call("1}", 0)),
            chunk(call("2}", 1)),
            chunk({}, "tool_calls"),
        ],
        (LOOK_1, LOOK_2),
        "tool_calls",
    ),
    "parallel calls in one delta": (
        [chunk({"tool_calls": [*call('{"x":1}', 0, id="a", name="look")["tool_calls"], *call('{"x":2}', 1, id="b", name="look")["tool_calls"]]}, "tool_calls")],
        (LOOK_1, LOOK_2),
        "tool_calls",
    ),
    "parallel calls, all under index 0": (
        [chunk(call('{"x":1}', 0, id="a", name="look")), chunk(call('{"x":2}', 0, id="b", name="look")), chunk({}, "stop")],
        (LOOK_1, LOOK_2),
        "tool_calls",
    ),
    "a call with its id and name in each delta": (
        [chunk(call('{"x":', 0, id="a", name="look")), chunk(call("1}", 0, id="a", name="look")), STOP],
        (LOOK_1,),
        "tool_calls",
    ),
    "a call whose name comes after its arguments": (
        [chunk(call('{"x":', 0, id="a")), chunk(call("", 0, name="look")), chunk(call("1}", 0)), STOP],
        (LOOK_1,),
        "tool_calls",
    ),
    "a call without arguments": (
        [chunk(call("", 0, id="a", name="look")), chunk({}, "tool_calls")],
        (ToolInvocation("a", "look", "{}"),),
        "tool_calls",
    ),
    "a call whose arguments are an object": (
        [chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": {"x": 1}}}]}), STOP],
        (LOOK_1,),
        "tool_calls",
    ),
    "a call that was cut short": (
        [chunk(call('{"x', 0, id="a", name="look")), chunk({}, "length")],
        (ToolInvocation("a", "look", '{"x'),),
        "max_tokens",
    ),
    "text, then a call": (
        [*said("I look."), chunk(call('{"x":1}', 0, id="a", name="look")), chunk({}, "stop")],
        (Text("I look."), LOOK_1),
        "tool_calls",
    ),
    "a call, then text": ([chunk(call('{"x":1}', 0, id="a", name="look")), *said("Seen."), STOP], (LOOK_1, Text("Seen.")), "tool_calls"),
    "a finish for calls, and none": ([*said("Done."), chunk({}, "tool_calls")], (Text("Done."),), "end"),
    "a custom tool sent as function": (
        [chunk(call("", 0, id="a", name="sh")), *(chunk(call(piece)) for piece in ('{"inp', 'ut": "l', "s\\", 'n"', "}")), STOP],
        (ToolInvocation("a", "sh", "ls\n", "custom"),),
        "tool_calls",
    ),
    "a custom tool sent as function, written otherwise": (
        [chunk(call('{"cmd":', 0, id="a", name="sh")), chunk(call('"ls"}')), STOP],
        (ToolInvocation("a", "sh", '{"cmd":"ls"}', "custom"),),
        "tool_calls",
    ),
    "a custom call of the dialect's own": (
        [
            chunk({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]}),
            STOP,
        ],
        (ToolInvocation("a", "sh", "ls", "custom"),),
        "tool_calls",
    ),
    "thinking with signatures": (
        THOUGHT,
        (Thinking("is it warm", "sig=="), Thinking("", sealed="sealed=="), Thinking("yes", "sig2"), Text("It is.")),
        "end",
    ),
    "a signature without the thought again": (
        [
            chunk({"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}),
            chunk({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "sig"}]}),
            STOP,
        ],
        (Thinking("hm", "sig"),),
        "end",
    ),
    "a signature with a thought that wasn't said": (
        [chunk({"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "sig"}]}), STOP],
        (Thinking("hm", "sig"),),
        "end",
    ),
    "thinking as plain text": ([chunk({"reasoning_content": "h"}), chunk({"reasoning_content": "m"}), *said("Yes."), STOP], (Thinking("hm"), Text("Yes.")), "end"),
    "thinking under its other name": ([chunk({"reasoning": "hm", "content": ""}), *said("Yes."), STOP], (Thinking("hm"), Text("Yes.")), "end"),
    "thinking within the content": (
        [chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}), chunk({"content": [{"type": "text", "text": "Yes."}]}), STOP],
        (Thinking("hm"), Text("Yes.")),
        "end",
    ),
    "a refusal": ([chunk({"refusal": "I "}), chunk({"refusal": "can't."}), STOP], (RefusalText("I can't."),), "end"),
    "filtered": ([*said("So"), chunk({}, "content_filter")], (Text("So"),), "content_filter"),
    "unknown fields": ([chunk({"content": "a", "annotations": []}, logprobs=None, obfuscation="x"), chunk({}, "stop", service_tier="x")], (Text("a"),), "end"),
    "usage in every chunk": ([chunk({"content": "a"}, usage=USAGE), chunk({"content": "b"}, usage=USAGE), chunk({}, "stop", usage=USAGE)], (Text("ab"),), "end"),
    "words after the finish": ([*said("a"), STOP, *said("b")], (Text("a"),), "end"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_reads_as_its_answer(name: str) -> None:
    stream, parts, reason = STREAMS[name]
    choice = only(stream)
    assert choice.parts == parts
    assert choice.reason == reason


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_anywhere_before_its_finish_never_ends(name: str) -> None:
    stream, _, _ = STREAMS[name]
    last = next(place for place, each in enumerate(stream) if each["choices"] and each["choices"][0]["finish_reason"])
    for length in range(last + 1):
        reader = CHAT.event_reader(ASKED)
        for each in stream[:length]:
            assert not any(isinstance(event, ChoiceEnded | AnswerEnded) for event in reader.feed(each))
        with pytest.raises(ProviderError) as raised:
            list(reader.end())
        assert (raised.value.kind, raised.value.unknown) == ("cut", True)
    for length in range(last + 1, len(stream) + 1):
        assert isinstance(events(stream[:length])[-1], AnswerEnded)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_written_so_that_it_reads_the_same(name: str) -> None:
    before = events(STREAMS[name][0])
    writer = CHAT.event_writer(input_tokens=1)
    raw = b"".join([*(line for event in before for line in writer.feed(event)), *writer.end(TokenUsage(input=9, output=3), extra={})])
    lines = raw.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    assert assembled(events(chunks)).choices == assembled(before).choices


def test_the_older_form_of_a_call_is_read() -> None:
    first, second = {"name": "look", "arguments": '{"x":'}, {"arguments": "1}"}
    choice = only([chunk({"function_call": first}), chunk({"function_call": second}), chunk({}, "function_call")])
    (part,) = choice.parts
    assert isinstance(part, ToolInvocation)
    assert (part.name, part.arguments, choice.reason) == ("look", '{"x":1}', "tool_calls")


def test_white_space_after_a_whole_call_is_nothing() -> None:
    stream = [chunk(call('{"x":1}', 0, id="a", name="look")), chunk(call('{"x":2}', 1, id="b", name="look")), chunk(call("\n", 0)), STOP]
    assert only(stream).parts == (LOOK_1, LOOK_2)


def test_the_events_of_a_stream_in_order() -> None:
    assert events([*PARALLEL, chunk(usage={"prompt_tokens": -4, "completion_tokens": 1})]) == [
        AnswerStarted("chatcmpl-1", "m-1", 5),
        PartStarted(0, "tool_call", call_id="a", name="look"),
        ArgumentsDelta(0, '{"x"'),
        ArgumentsDelta(0, ":1}"),
        PartEnded(0),
        PartStarted(1, "tool_call", call_id="b", name="look"),
        ArgumentsDelta(1, '{"x":2}'),
        PartEnded(1),
        ChoiceEnded("tool_calls"),
        UsageReported(TokenUsage(input=9, output=3)),
        AnswerEnded(),
    ]


def test_a_signature_comes_after_its_thought() -> None:
    assert events(THOUGHT)[:6] == [
        AnswerStarted("chatcmpl-1", "m-1", 5),
        PartStarted(0, "thinking"),
        TextDelta(0, "is it"),
        TextDelta(0, " warm"),
        SignatureDelta(0, "sig=="),
        PartEnded(0),
    ]


def test_choices_are_read_apart_and_all_must_finish() -> None:
    stream = [
        chunk({"content": "a"}, index=0),
        chunk({"content": "b"}, index=1),
        chunk({"content": "c"}, index=0),
        chunk({}, "stop", index=0),
    ]
    with pytest.raises(ProviderError):
        events(stream)
    found = assembled(events([*stream, chunk({}, "length", index=1)])).choices
    assert [(each.parts, each.reason) for each in found] == [((Text("ac"),), "end"), ((Text("b"),), "max_tokens")]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "overloaded", "code": 529}}, "server_error"),
        ({"error": "no"}, "server_error"),
        ({"choices": "x"}, "malformed"),
        ({"choices": [5]}, "malformed"),
        ("x", "malformed"),
        (chunk(call('{"x":2}', 0)), "malformed"),
    ],
)
def test_an_error_in_mid_stream_is_a_providers_error(event: Any, kind: str) -> None:
    reader = CHAT.event_reader()
    for each in (chunk(call('{"x":1}', 0, id="a", name="look")), chunk(call("", 1, id="b", name="look"))):
        list(reader.feed(each))
    with pytest.raises(ProviderError) as raised:
        list(reader.feed(event))
    assert raised.value.kind == kind


def test_a_call_that_never_gets_a_name_is_an_error() -> None:
    with pytest.raises(ProviderError, match="without a name"):
        events([chunk(call('{"x":1}', 0, id="a")), STOP])


def test_the_usage_comes_last_with_the_cost_and_only_if_asked_for() -> None:
    def last(*, usage_asked: bool) -> list[bytes]:
        writer = CHAT.event_writer(input_tokens=1, usage_asked=usage_asked)
        for event in events([*said("a"), STOP]):
            list(writer.feed(event))
        return list(writer.end(TokenUsage(input=9, output=3, cache_write=2), extra={"cost_usd": 0.5}))

    assert last(usage_asked=False) == [b"data: [DONE]\n\n"]
    told = json.loads(last(usage_asked=True)[0].removeprefix(b"data: "))
    assert (told["id"], told["model"], told["choices"]) == ("chatcmpl-1", "m-1", [])
    assert (told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"], told["usage"]["cost_usd"]) == (9, 3, 0.5)
    assert CHAT.read_answer({"choices": [], "usage": told["usage"]}).usage == TokenUsage(input=9, output=3, cache_write=2)
