"""Hypothesis strategies of conversations and answers, and what of them each dialect can say.

`said_in(dialect, conversation)` reduces a conversation to what a dialect can say, in that dialect's own order. For two dialects: reduce to
both, one after the other.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from hypothesis import strategies as st

from app.budget.prices import TokenUsage
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
from app.inference.conversation import (
    CacheLifetime,
    ContentSource,
    Conversation,
    DialectName,
    Image,
    Options,
    OutputFormat,
    Part,
    Reasoning,
    RefusalText,
    Text,
    Thinking,
    ToolChoice,
    ToolDefinition,
    ToolInvocation,
    ToolKind,
    ToolResult,
    Turn,
)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
base64_data = st.binary(min_size=1, max_size=30).map(lambda data: base64.b64encode(data).decode())
marks: st.SearchStrategy[CacheLifetime | None] = st.sampled_from([None, None, None, "5m"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(names, json_values, max_size=3)
schemas = st.builds(
    lambda fields: {"type": "object", "properties": fields},
    st.dictionaries(names, st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "array", "items": {}}]), max_size=3),
)
arguments = st.builds(lambda value, indent: json.dumps(value, indent=indent), json_objects, st.sampled_from([None, 1]))
"""A function's arguments, with white space that only a model's own text has."""

texts = st.builds(Text, words, marks)
images = st.builds(
    Image,
    st.builds(ContentSource, data=base64_data),
    media_type=st.sampled_from(["image/png", "image/jpeg", "image/webp"]),
    cache=marks,
) | st.builds(lambda name, cache: Image(ContentSource(url=f"https://example.org/{name}.png"), cache=cache), names, marks)
thoughts = (
    st.builds(Thinking, words, st.none() | words)
    | st.builds(lambda sealed: Thinking("", sealed=sealed), base64_data)
)  # fmt: skip


@st.composite
def exchanges(draw: st.DrawFn, number: int, tools: Mapping[str, ToolKind]) -> list[Turn]:
    """A user's turn and the assistant's answer; with calls of the tools and their results, where there are tools."""
    said: list[Part] = draw(st.lists(texts | images, min_size=1, max_size=3))
    turns = [Turn("user", tuple(said))]
    answer: list[Part] = [*draw(st.lists(thoughts, max_size=2)), *draw(st.lists(st.builds(Text, words), max_size=2))]
    chosen = draw(st.lists(st.sampled_from(sorted(tools)), max_size=3)) if tools else []
    calls = [
        ToolInvocation(f"call_{number}_{place}", name, draw(words if tools[name] == "custom" else arguments), tools[name])
        for place, name in enumerate(chosen)
    ]
    if answer or calls:
        turns.append(Turn("assistant", (*answer, *calls)))
    if calls:
        results = [ToolResult(call.id, tuple(draw(st.lists(st.builds(Text, words), max_size=2))), kind=call.kind) for call in calls]
        turns.append(Turn("user", tuple(draw(st.permutations(results)))))
    return turns


@st.composite
def tool_choices(draw: st.DrawFn, tools: Iterable[ToolDefinition]) -> ToolChoice | None:
    named = [ToolChoice("named", tool.name, tool.kind) for tool in tools]
    return draw(st.sampled_from([None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("required"), *named]))


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Any conversation that all three dialects can hold a good part of: turns with tools, thinking and pictures, and options."""
    kinds: dict[str, ToolKind] = draw(st.dictionaries(names, st.sampled_from(["function", "function", "custom"]), max_size=3))  # type: ignore[arg-type]
    tools = tuple(draw(_tool(name, kind)) for name, kind in kinds.items())
    system = [Turn("system", tuple(draw(st.lists(texts, min_size=1, max_size=2))))] if draw(st.booleans()) else []
    count = draw(st.integers(1, 3))
    turns = [turn for number in range(count) for turn in draw(exchanges(number, kinds))]
    return Conversation("auto", (*system, *turns), tools, draw(options(tools)))


def _tool(name: str, kind: ToolKind) -> st.SearchStrategy[ToolDefinition]:
    if kind == "custom":
        return st.builds(ToolDefinition, st.just(name), st.none() | words, kind=st.just(kind))
    return st.builds(ToolDefinition, st.just(name), st.none() | words, schemas, cache=marks)


@st.composite
def options(draw: st.DrawFn, tools: tuple[ToolDefinition, ...]) -> Options:
    """Generation options that at least two dialects have."""
    rough = st.floats(0, 1).map(lambda value: round(value, 3))
    forms = st.builds(OutputFormat, schemas, names, st.none() | st.booleans())
    efforts = st.builds(Reasoning, effort=st.sampled_from(["low", "medium", "high"]))
    return Options(
        max_tokens=draw(st.integers(1, 2**20)),
        temperature=draw(st.none() | rough),
        top_p=draw(st.none() | rough),
        stop=tuple(draw(st.lists(words, max_size=3))),
        tool_choice=draw(tool_choices(tools)) if tools else None,
        parallel_tools=draw(st.none() | st.booleans()) if tools else None,
        reasoning=draw(st.none() | efforts),
        output_format=draw(st.none() | forms),
        user=draw(st.none() | names),
    )


@st.composite
def answers(draw: st.DrawFn, *, tools: bool = True) -> WholeAnswer:
    """One choice: thinking, text and calls, in this order, or a refusal."""
    parts: list[Part] = [*draw(st.lists(thoughts, max_size=2)), *draw(st.lists(st.builds(Text, words), max_size=1))]
    calls = draw(st.lists(st.tuples(names, arguments), max_size=3)) if tools else []
    parts += [ToolInvocation(f"call_{place}", name, given) for place, (name, given) in enumerate(calls)]
    if not calls and draw(st.booleans()):
        parts = [RefusalText(draw(words))]
    reasons: list[StopReason] = ["tool_calls"] if calls else ["end", "max_tokens"]
    usage = draw(st.none() | st.builds(TokenUsage, input=st.integers(1, 10**6), output=st.integers(0, 10**6)))
    return WholeAnswer(
        (AnswerChoice(tuple(parts), draw(st.sampled_from(reasons))),), draw(names), draw(names), draw(st.integers(0, 2**31)), usage
    )


def said_in(dialect: DialectName, conversation: Conversation) -> Conversation:
    """Return what a dialect can say of a conversation, in its order. Without the caller's dialect, which is no part of what was said."""
    return replace(_SAID[dialect](conversation), dialect=None)


def answer_said_in(dialect: DialectName, answer: WholeAnswer) -> WholeAnswer:
    """Return what a dialect can say of an answer."""
    return _SAID_OF_ANSWERS[dialect](answer)


def joined(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Join turns of one speaker that follow each other: dialects cut them differently."""
    found: list[Turn] = []
    for turn in turns:
        if found and (found[-1].role, found[-1].name) == (turn.role, turn.name):
            found[-1] = replace(found[-1], parts=(*found[-1].parts, *turn.parts))
        elif turn.parts:
            found.append(turn)
    return tuple(found)


def _in_chat(conversation: Conversation) -> Conversation:
    """Chat Completions: results in one message each, before what the user says; calls after texts, thoughts before them; custom tools as
    functions; no format of a tool's own."""
    turns = joined(replace(turn, parts=_ordered(turn.parts)) for turn in joined(conversation.turns))
    return replace(conversation, turns=joined(turns))


def _ordered(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    order: list[type[Part]] = [ToolResult, Thinking]  # type: ignore[list-item]
    last = ToolInvocation
    return tuple(sorted(parts, key=lambda part: order.index(type(part)) if type(part) in order else 9 if isinstance(part, last) else 5))  # type: ignore[arg-type]


def _in_messages(conversation: Conversation) -> Conversation:
    """Messages: what the system says stands first; calls take objects, whose white space is lost; unsigned thinking isn't taken back; an
    effort asks for thinking; a form of the answer is always strict, and has no name."""
    system = [replace(turn, role="system") for turn in conversation.turns if turn.role in {"system", "developer"}]
    others = [turn for turn in conversation.turns if turn.role not in {"system", "developer"}]
    turns = [replace(turn, parts=tuple(map(_with_object, filter(_provable, turn.parts)))) for turn in (*system, *others)]
    given = conversation.options
    form = given.output_format
    return replace(
        conversation,
        turns=joined(turns),
        options=replace(
            given,
            tool_choice=given.tool_choice or (None if given.parallel_tools is None else ToolChoice("auto")),
            parallel_tools=None if given.tool_choice == ToolChoice("none") else given.parallel_tools,
            reasoning=None if given.reasoning is None else replace(given.reasoning, adaptive=True),
            output_format=None if form is None else replace(form, name=None, strict=True),
        ),
    )


def _provable(part: Part) -> bool:
    return not isinstance(part, Thinking) or part.signature is not None or part.sealed is not None


def _with_object(part: Part) -> Part:
    if not isinstance(part, ToolInvocation) or part.kind == "custom":
        return part
    return replace(part, arguments=json.dumps(json.loads(part.arguments), separators=(",", ":"), ensure_ascii=False))


def _in_responses(conversation: Conversation) -> Conversation:
    """Responses: no marks for a prompt cache, no stop sequences; a vendor takes back only its own thinking."""
    turns = [replace(turn, parts=tuple(map(_unmarked, filter(_own_thought, turn.parts)))) for turn in conversation.turns]
    tools = tuple(replace(tool, cache=None) if isinstance(tool, ToolDefinition) else tool for tool in conversation.tools)
    return replace(conversation, turns=joined(turns), tools=tools, options=replace(conversation.options, stop=()))


def _own_thought(part: Part) -> bool:
    return not isinstance(part, Thinking) or part.id is not None


def _unmarked(part: Part) -> Part:
    return replace(part, cache=None) if isinstance(part, Text | Image | ToolInvocation | ToolResult) else part


_SAID: dict[DialectName, Callable[[Conversation], Conversation]] = {
    "chat": _in_chat,
    "messages": _in_messages,
    "responses": _in_responses,
}
"""By dialect; a new one adds its own."""


def _answer_in_messages(answer: WholeAnswer) -> WholeAnswer:
    """Messages: calls take objects; a refusal is a text, and a reason of its own."""
    (choice,) = answer.choices
    refused = any(isinstance(part, RefusalText) for part in choice.parts) and choice.reason == "end"
    parts = tuple(Text(part.text) if isinstance(part, RefusalText) else _with_object(part) for part in choice.parts)
    return replace(answer, choices=(AnswerChoice(parts, "refusal" if refused else choice.reason),))


_SAID_OF_ANSWERS: dict[DialectName, Callable[[WholeAnswer], WholeAnswer]] = {
    "chat": lambda answer: answer,
    "messages": _answer_in_messages,
    "responses": lambda answer: answer,
}
