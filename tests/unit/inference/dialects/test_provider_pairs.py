"""Any conversation from any caller's dialect reaches Gemini with all that both can say, and any answer of Gemini's reaches any caller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.errors import InvalidInput
from app.inference.answer_events import AnswerEvent, WholeAnswer
from app.inference.conversation import Conversation, Image, Part, RefusalText, Text, Thinking, ToolInvocation, ToolResult, Turn
from app.inference.dialects.chat import CHAT
from app.inference.dialects.dialect import Dialect
from app.inference.dialects.gemini import GEMINI
from app.inference.dialects.makers import gemini_signature, of_gemini
from app.inference.dialects.messages import MESSAGES
from app.inference.dialects.responses import RESPONSES
from app.inference.dialects.wrapped_tools import wrapped_text
from app.inference.provider_errors import ProviderError
from tests.unit.inference.dialects import strategies
from tests.unit.inference.dialects.assembled import assembled

Json = dict[str, Any]
CLIENTS: list[Dialect] = [CHAT, MESSAGES, RESPONSES]
FEWER = settings(max_examples=40)
MODELS = ("gemini-2.5-pro", "gemini-3-pro-preview")
both_clients = pytest.mark.parametrize("client", CLIENTS, ids=lambda dialect: dialect.name)


def inline(part: Part) -> bool:
    return not isinstance(part, Image) or part.source.data is not None


def signed(part: Part) -> Part:
    """Every thought that is signed is Gemini's."""
    return replace(part, signature=of_gemini(part.signature)) if isinstance(part, Thinking) and part.signature else part


def for_gemini(conversation: Conversation, model: str) -> Conversation:
    """Return a conversation that Gemini can be sent: files inline, and a turn of the user's that holds anything."""
    turns = [replace(turn, parts=tuple(signed(part) for part in turn.parts if inline(part))) for turn in conversation.turns]
    said = [turn for turn in turns if turn.parts]
    return replace(conversation, model=model, turns=(*said, Turn("user", (Text("go on"),))))


def body(conversation: Conversation) -> Json:
    found: Json = json.loads(json.dumps(GEMINI.write_request(conversation).body))
    return found


def said_by(conversation: Conversation) -> dict[str, list[str]]:
    """Return the words of each speaker, in order."""
    found: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    for turn in conversation.turns:
        found[turn.role] += [part.text for part in turn.parts if isinstance(part, Text | RefusalText)]
    return found


def heard(written: Json) -> dict[str, list[str]]:
    """Return the words of each speaker in a request of Gemini's."""
    system = [part["text"] for part in written.get("systemInstruction", {}).get("parts", [])]
    found: dict[str, list[str]] = {"system": system, "user": [], "assistant": []}
    for content in written["contents"]:
        found["assistant" if content["role"] == "model" else "user"] += [part["text"] for part in content["parts"] if "text" in part]
    return found


@both_clients
@FEWER
@given(strategies.conversations(), st.sampled_from(MODELS))
def test_a_callers_conversation_reaches_gemini_as_it_was_meant(client: Dialect, conversation: Conversation, model: str) -> None:
    meant = for_gemini(conversation, model)
    through = client.read_request(json.loads(json.dumps(client.write_request(meant).body)))
    written = body(through)
    direct = strategies.said_in(client.name, meant)
    assert heard(written) == said_by(direct)
    assert calls_in(written) == [
        (part.id, part.name, json.loads(wrapped_text(part.arguments) if part.kind == "custom" else part.arguments))
        for part in direct.parts()
        if isinstance(part, ToolInvocation)
    ]
    assert written.get("tools") == body(direct).get("tools")
    assert written.get("toolConfig") == body(direct).get("toolConfig")
    assert written.get("generationConfig") == body(direct).get("generationConfig")


@FEWER
@given(strategies.conversations(), st.sampled_from(MODELS))
def test_what_gemini_is_sent_holds_everything_in_its_order(conversation: Conversation, model: str) -> None:
    meant = for_gemini(conversation, model)
    written = body(meant)
    assert heard(written) == said_by(meant)
    images = [part.source.data for part in meant.parts() if isinstance(part, Image)]
    assert [part["inlineData"]["data"] for content in written["contents"] for part in content["parts"] if "inlineData" in part] == images
    roles = [content["role"] for content in written["contents"]]
    assert all(one != other for one, other in pairwise(roles))
    for place, content in enumerate(written["contents"]):
        asked = [part["functionCall"]["id"] for part in content["parts"] if "functionCall" in part]
        if asked:
            after = written["contents"][place + 1]["parts"][: len(asked)]
            assert [part.get("functionResponse", {}).get("id") for part in after] == asked
    results = {
        part.call_id: "\n".join(each.text for each in part.parts if isinstance(each, Text))
        for part in meant.parts()
        if isinstance(part, ToolResult)
    }
    told = [part["functionResponse"] for content in written["contents"] for part in content["parts"] if "functionResponse" in part]
    assert {each["id"]: each["response"]["output"] for each in told} == results


def calls_in(written: Json) -> list[tuple[str, str, Any]]:
    found = [part["functionCall"] for content in written["contents"] for part in content["parts"] if "functionCall" in part]
    return [(each["id"], each["name"], each["args"]) for each in found]


@both_clients
@FEWER
@given(signature=strategies.words)
def test_a_calls_signature_survives_any_caller(client: Dialect, signature: str) -> None:
    part = {"functionCall": {"name": "look", "args": {}, "id": "call_1"}, "thoughtSignature": signature}
    first = {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, part]}, "finishReason": "STOP"}], "responseId": "r"}
    answer = GEMINI.read_answer(first)
    for told in (through_whole(client, answer), through_stream(client, list(events_of(first)))):
        back = replace(client.read_request(sent_back(client, told)), model="gemini-3-pro")
        [call] = [each for content in body(back)["contents"] for each in content["parts"] if "functionCall" in each]
        assert call["thoughtSignature"] == signature


def sent_back(client: Dialect, told: WholeAnswer) -> Json:
    """Return the next request of a caller, with the answer in the form in which it came and the result of its call."""
    answer, user = client.write_answer(told, extra={}), {"role": "user", "content": "go"}
    match client.name:
        case "chat":
            result: Json = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
            return {"model": "auto", "messages": [user, answer["choices"][0]["message"], result]}
        case "messages":
            result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]}
            return {"model": "auto", "max_tokens": 9, "messages": [user, {"role": "assistant", "content": answer["content"]}, result]}
        case _:
            return {
                "model": "auto",
                "input": [user, *answer["output"], {"type": "function_call_output", "call_id": "call_1", "output": "ok"}],
            }


def candidates(answer: WholeAnswer) -> Json:
    """Return an answer as Gemini would give it."""
    parts: list[Json] = []
    for part in answer.choices[0].parts:
        match part:
            case Thinking(text):
                parts.append({"text": text, "thought": True})
            case Text(text):
                parts.append({"text": text})
            case ToolInvocation():
                parts.append({"functionCall": {"id": part.id, "name": part.name, "args": json.loads(part.arguments)}})
    finish = "MAX_TOKENS" if answer.choices[0].reason == "max_tokens" else "STOP"
    made: Json = {"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish}]}
    if answer.usage is not None:
        made["usageMetadata"] = {"promptTokenCount": answer.usage.input, "candidatesTokenCount": answer.usage.output}
    return {**made, "responseId": answer.id, "modelVersion": answer.model}


def pieces(whole: Json, size: int) -> Iterator[Json]:
    """Yield a whole answer as the events of a stream, its texts cut."""
    [candidate] = whole["candidates"]
    for part in candidate["content"]["parts"]:
        text = part.get("text", "")
        cut = [{**part, "text": text[at : at + size]} for at in range(0, len(text), size)] if text else [part]
        for each in cut:
            yield {**whole, "candidates": [{"content": {"parts": [each], "role": "model"}}]}
    yield {**whole, "candidates": [{"finishReason": candidate["finishReason"]}]}


def events_of(*events: Json) -> Iterator[AnswerEvent]:
    reader = GEMINI.event_reader()
    for event in events:
        yield from reader.feed(event)
    yield from reader.end()


def through_whole(client: Dialect, answer: WholeAnswer) -> WholeAnswer:
    return client.read_answer(json.loads(json.dumps(client.write_answer(answer, extra={}))))


def through_stream(client: Dialect, events: list[AnswerEvent]) -> WholeAnswer:
    """Write a stream to a caller, and read it as the caller does."""
    writer, reader = client.event_writer(input_tokens=1), client.event_reader()
    raw = [line for event in events for line in writer.feed(event)]
    raw += writer.end(TokenUsage(input=9, output=3), extra={})
    found: list[AnswerEvent] = []
    for line in b"".join(raw).decode().split("\n"):
        if line.startswith("data: ") and line != "data: [DONE]":
            found += reader.feed(json.loads(line.removeprefix("data: ")))
    return assembled([*found, *reader.end()])


def plain(answer: WholeAnswer) -> WholeAnswer:
    """Return an answer as Gemini can give it: thoughts in the open and in one piece, no refusals as such."""
    parts: list[Part] = []
    for part in answer.choices[0].parts:
        made = Text(part.text) if isinstance(part, RefusalText) else Thinking(part.text or "hm") if isinstance(part, Thinking) else part
        if isinstance(made, Thinking) and parts and isinstance(parts[-1], Thinking):
            parts[-1] = Thinking(parts[-1].text + made.text)
        elif isinstance(made, ToolInvocation):
            parts.append(replace(made, arguments=json.dumps(json.loads(made.arguments), separators=(",", ":"), ensure_ascii=False)))
        else:
            parts.append(made)
    return replace(answer, choices=(replace(answer.choices[0], parts=tuple(parts)),), created=None)


@FEWER
@given(strategies.answers(), st.integers(1, 9))
def test_any_answer_of_geminis_is_read_whatever_the_pieces(answer: WholeAnswer, size: int) -> None:
    meant = plain(answer)
    assert GEMINI.read_answer(candidates(meant)) == meant
    assert assembled(events_of(*pieces(candidates(meant), size))) == meant


@both_clients
@FEWER
@given(strategies.answers(), st.integers(1, 9))
def test_any_answer_of_geminis_reaches_any_caller(client: Dialect, answer: WholeAnswer, size: int) -> None:
    meant = plain(answer)
    said = strategies.answer_said_in(client.name, meant)
    assert through_whole(client, GEMINI.read_answer(candidates(meant))).choices == said.choices
    assert through_stream(client, list(events_of(*pieces(candidates(meant), size)))).choices == said.choices


def spoil(value: Any, data: st.DataObject) -> None:
    """Replace one value, somewhere within, by any other JSON."""
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    if isinstance(value[place], dict | list) and value[place] and data.draw(st.booleans()):
        spoil(value[place], data)
    else:
        value[place] = data.draw(strategies.json_values)


@FEWER
@given(strategies.answers(), st.integers(1, 9), st.data())
def test_an_answer_with_any_one_field_wrong_is_read_or_a_providers_error(answer: WholeAnswer, size: int, data: st.DataObject) -> None:
    whole = json.loads(json.dumps(candidates(plain(answer))))
    events = json.loads(json.dumps(list(pieces(whole, size))))
    spoil(whole, data)
    with suppress(ProviderError):
        GEMINI.read_answer(whole)
    spoil(events[data.draw(st.integers(0, len(events) - 1))], data)
    with suppress(ProviderError):
        assembled(events_of(*events))


@FEWER
@given(strategies.answers(), st.integers(1, 9), st.data())
def test_a_stream_of_geminis_cut_anywhere_is_whole_or_broken(answer: WholeAnswer, size: int, data: st.DataObject) -> None:
    events = list(pieces(candidates(plain(answer)), size))
    length = data.draw(st.integers(0, len(events)))
    try:
        found = list(events_of(*events[:length]))
    except ProviderError:
        assert length < len(events)
        return
    assert assembled(found) == plain(answer)


@FEWER
@given(strategies.conversations(), st.data())
def test_any_conversation_is_written_or_refused(conversation: Conversation, data: st.DataObject) -> None:
    with suppress(InvalidInput):
        body(replace(conversation, model=data.draw(st.sampled_from(MODELS))))


@pytest.mark.parametrize("signature", ["", "gemini:", "other"])
def test_a_signature_without_its_makers_name_is_not_geminis(signature: str) -> None:
    assert gemini_signature(Thinking("", signature or None)) is None
