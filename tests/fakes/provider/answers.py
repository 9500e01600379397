"""What the fake model says: the same question has the same answer, token for token, in every format. Knows no HTTP and no format."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
import numpy as np

Json = dict[str, Any]
Role = Literal["system", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool", "filtered"]
Prefill = Literal["continue", "refuse", "restart"]

WORDS = 12
"""Tokens of an answer that wasn't asked to `say N words`."""
ARGUMENT_PIECE = 8
"""Characters of a tool's arguments that count as one token."""

_SAY = re.compile(r"\bsay (\d+) words?\b", re.IGNORECASE)
_CALL = re.compile(r"\bcall ([\w.-]*\w)")
_TOKEN = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, in no provider's format."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: its arguments are a JSON object as text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for an answer. `prefix`: what a last message of the assistant already says. `limit`: the most tokens, None for no limit."""

    model: str
    stream: bool
    prompt: str
    prefix: str
    call: Call | None
    limit: int | None
    input_tokens: int
    choices: int = 1
    wants_usage: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice. The tokens of a tool call are pieces of its arguments. `finish` None: the provider never said."""

    tokens: list[str]
    finish: Finish | None
    call: Call | None = None

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def opened(self) -> Answer:
        """The same before its first token."""
        return Answer([], None, replace(self.call, arguments="{}") if self.call else None)

    def cut(self, tokens: int, finish: Finish | None) -> Answer:
        return replace(self, tokens=self.tokens[:tokens], finish=finish)


def ask(
    turns: list[Turn],
    *,
    model: str,
    stream: bool,
    limit: int | None,
    tools: Mapping[str, Json],
    forced: str | None = None,
    choices: int = 1,
    wants_usage: bool = True,
) -> Ask:
    """The ask that these turns make. `tools`: name to JSON schema; `forced`: the tool that the request insists on."""
    prompt = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
    last = turns[-1] if turns else Turn("user", "")
    return Ask(
        model=model,
        stream=stream,
        prompt=prompt,
        prefix=last.text if last.role == "assistant" else "",
        call=_called(prompt, tools, forced) if last.role == "user" else None,
        limit=limit,
        input_tokens=max(1, sum(count(turn.text) for turn in turns)),
        choices=choices,
        wants_usage=wants_usage,
    )


def answer(asked: Ask, prefill: Prefill, says: str | None = None) -> list[Answer]:
    """One answer for each choice; with `prefill="continue"` what remains of it after the assistant's own words. `says`: this instead."""
    if asked.call is not None:
        text = asked.call.arguments
        pieces = [text[at : at + ARGUMENT_PIECE] for at in range(0, len(text), ARGUMENT_PIECE)]
        return [Answer(pieces, "tool", asked.call)] * asked.choices
    answers = []
    for choice in range(asked.choices):
        tokens = full(asked.prompt, choice) if says is None else _TOKEN.findall(says)
        if asked.prefix and prefill == "continue":
            tokens = _rest(tokens, asked.prefix)
        if asked.limit is not None and asked.limit < len(tokens):
            answers.append(Answer(tokens[: asked.limit], "length"))
        else:
            answers.append(Answer(tokens, "stop"))
    return answers


def full(prompt: str, choice: int = 0) -> list[str]:
    """The whole answer's tokens: `echo:`, a digest of the prompt, its first five words, then `word8 word9 …` up to the length asked for."""
    said = _SAY.search(prompt)
    length = int(said[1]) if said else WORDS
    words = [f"echo{choice or ''}:", f"{zlib.crc32(prompt.encode()):08x}", *prompt.split(None, 5)[:5]]
    words.extend(f"word{n}" for n in range(len(words) + 1, length + 1))
    return [word if at == 0 else f" {word}" for at, word in enumerate(words[:length])]


def count(text: str) -> int:
    """Input tokens of a text: its words."""
    return len(text.split())


def vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on the text alone."""
    drawn = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(dimensions)
    found: list[float] = (drawn / np.linalg.norm(drawn)).astype(np.float32).tolist()
    return found


def text_of(content: object) -> str:
    """The text of a message's content: a string, or parts of which some have a `text` (or, in a tool's result, a `content`)."""
    match content:
        case str():
            return content
        case {"text": str(text)}:
            return text
        case {"content": inner}:
            return text_of(inner)
        case [*parts]:
            return " ".join(filter(None, map(text_of, parts)))
    return ""


def _rest(tokens: Iterable[str], prefix: str) -> list[str]:
    """What follows the prefix; all of it where the prefix isn't this answer's."""
    text = "".join(tokens)
    return _TOKEN.findall(text.removeprefix(prefix))


def _called(prompt: str, tools: Mapping[str, Json], forced: str | None) -> Call | None:
    said = _CALL.search(prompt)
    name = forced or (said[1] if said else "")
    if name not in tools:
        return None
    return Call(name, msgspec.json.encode(_sample(tools[name], name)).decode())


def _sample(schema: Json, name: str) -> object:
    """A value that fits a JSON schema, as far as a test needs it (Gemini writes its types in capitals)."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    match str(kind[0] if isinstance(kind, list) else kind).lower():
        case "integer":
            return 7
        case "number":
            return 1.5
        case "boolean":
            return True
        case "array":
            return [_sample(schema.get("items", {"type": "string"}), name)]
        case "object":
            return {key: _sample(each, key) for key, each in schema.get("properties", {}).items()}
    return f"the {name}"
