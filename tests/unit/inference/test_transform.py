"""Transforms of conversations: changed on the way out, undone on the way back, however the answer is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest

from app.inference.answer_events import AnswerEnded, AnswerEvent, ChoiceEnded, PartEnded, TextDelta, WholeAnswer
from app.inference.chat_engine import ChatEngine
from app.inference.conversation import Conversation, Part, Text, Turn
from app.inference.conversations import ConversationEngine
from app.inference.request import ChatRequest
from app.inference.transform import apply_all
from tests.unit.inference.dialects.assembled import assembled
from tests.unit.inference.test_conversations import CONTEXT, FakeEngine, delta

WORDS, MARKS = re.compile(r"\b[A-Z]{2,}\b"), re.compile(r"<(\d+)>")
ASKED = Conversation("auto", (Turn("user", (Text("Does ACME pay BOB?"),)),), dialect="messages")
SENT = "Does <0> pay <1>?"


class Masking:
    """Replaces words in capitals by numbered marks, and puts them back."""

    def apply(self, conversation: Conversation) -> tuple[Conversation, Unmasking]:
        words: list[str] = []

        def mask(found: re.Match[str]) -> str:
            if found.group() not in words:
                words.append(found.group())
            return f"<{words.index(found.group())}>"

        def masked(part: Part) -> Part:
            return replace(part, text=WORDS.sub(mask, part.text)) if isinstance(part, Text) else part

        turns = tuple(replace(turn, parts=tuple(map(masked, turn.parts))) for turn in conversation.turns)
        return (replace(conversation, turns=turns) if words else conversation), Unmasking(words)


class Unmasking:
    """Holds back what may be the beginning of a mark, until its part ends."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._held: dict[tuple[int, int], str] = {}

    def event(self, event: AnswerEvent) -> Iterator[AnswerEvent]:
        match event:
            case TextDelta(part=part, choice=choice):
                text = self._held.pop((choice, part), "") + event.text
                begun = re.search(r"<\d*$", text)
                whole = text[: begun.start()] if begun else text
                if begun:
                    self._held[choice, part] = begun.group()
                if whole:
                    yield replace(event, text=self._unmasked(whole))
            case PartEnded(part=part, choice=choice):
                if held := self._held.pop((choice, part), ""):
                    yield TextDelta(part, held, choice)
                yield event
            case _:
                yield event

    def end(self) -> Iterator[AnswerEvent]:
        for (choice, part), held in self._held.items():
            yield TextDelta(part, held, choice)
        self._held.clear()

    def answer(self, answer: WholeAnswer) -> WholeAnswer:
        def unmasked(part: Part) -> Part:
            return replace(part, text=self._unmasked(part.text)) if isinstance(part, Text) else part

        return replace(answer, choices=tuple(replace(each, parts=tuple(map(unmasked, each.parts))) for each in answer.choices))

    def _unmasked(self, text: str) -> str:
        return MARKS.sub(lambda found: self._words[int(found[1])] if int(found[1]) < len(self._words) else found.group(), text)


class Shouting:
    """Puts words before what is said, and takes its mark for the second one of whoever applied before it."""

    def apply(self, conversation: Conversation) -> tuple[Conversation, Unmasking]:
        def shouted(part: Part) -> Part:
            return replace(part, text=f"BOSS says: {part.text}") if isinstance(part, Text) else part

        turns = tuple(replace(turn, parts=tuple(map(shouted, turn.parts))) for turn in conversation.turns)
        return replace(conversation, turns=turns), Unmasking(["<1>"])


def over(engine: FakeEngine, *transforms: Any) -> ConversationEngine:
    return ConversationEngine(cast("ChatEngine", engine), transforms)


def prompt(request: ChatRequest) -> object:
    return request.messages[0]["content"]


async def said(engine: ConversationEngine, asked: Conversation = ASKED) -> tuple[str, list[AnswerEvent]]:
    events = [event async for event in (await engine.open_stream(asked, CONTEXT)).events()]
    [choice] = assembled(events).choices
    return "".join(part.text for part in choice.parts if isinstance(part, Text)), events


async def test_the_provider_gets_what_the_transform_made_and_the_caller_what_undoes_it() -> None:
    engine = FakeEngine({"content": "<0> pays <1>, not <7>."})
    answer, _ = await over(engine, Masking()).complete(ASKED, CONTEXT)
    assert prompt(engine.asked) == SENT
    assert answer.choices[0].parts == (Text("ACME pays BOB, not <7>."),)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
async def test_a_mark_is_undone_however_the_stream_cuts_it(size: int) -> None:
    text = "<0> pays <1>, a < b, <"
    chunks = [delta({"content": text[at : at + size]}) for at in range(0, len(text), size)]
    engine = FakeEngine(chunks=[*chunks, delta({}, "stop")])
    found, events = await said(over(engine, Masking()))
    assert prompt(engine.asked) == SENT
    assert found == "ACME pays BOB, a < b, <"
    assert [type(event) for event in events[-3:]] == [PartEnded, ChoiceEnded, AnswerEnded]


async def test_transforms_apply_in_order_and_are_undone_in_reverse() -> None:
    engine = FakeEngine({"content": "<0>"}, chunks=[delta({"content": "<"}), delta({"content": "0>"}), delta({}, "stop")])
    both = over(engine, Masking(), Shouting())
    answer, _ = await both.complete(ASKED, CONTEXT)
    assert prompt(engine.asked) == f"BOSS says: {SENT}"
    assert answer.choices[0].parts == (Text("BOB"),)  # "<0>" is "<1>" to the second, which is "BOB" to the first
    assert (await said(both))[0] == "BOB"
    await over(engine, Shouting(), Masking()).complete(ASKED, CONTEXT)
    assert prompt(engine.asked) == "<0> says: Does <1> pay <2>?"


def test_what_one_holds_back_to_the_end_goes_through_the_others() -> None:
    _, undoing = apply_all((Masking(), Shouting()), ASKED)
    assert list(undoing.event(TextDelta(0, "a <"))) == [TextDelta(0, "a ")]
    assert [event.text for event in undoing.end() if isinstance(event, TextDelta)] == ["<"]


async def test_the_hold_is_bounded_by_what_is_sent() -> None:
    engine = FakeEngine({"content": "x"})
    await over(engine, Shouting()).complete(ASKED, CONTEXT, size=3)
    assert engine.asked.bytes >= len(msgspec.json.encode(engine.asked.messages))
    await over(engine, Masking()).complete(replace(ASKED, turns=(Turn("user", (Text("hi"),)),)), CONTEXT, size=3)
    assert engine.asked.bytes == 3


async def test_without_transforms_nothing_changes() -> None:
    engine = FakeEngine({"content": "<0>"})
    answer, _ = await over(engine).complete(ASKED, CONTEXT)
    assert prompt(engine.asked) == "Does ACME pay BOB?"
    assert answer.choices[0].parts == (Text("<0>"),)


def test_equal_conversations_are_sent_equal() -> None:
    assert apply_all((Masking(),), ASKED)[0] == apply_all((Masking(),), replace(ASKED))[0]
