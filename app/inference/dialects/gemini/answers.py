"""Read whole Gemini answers, and what streams share with them: parts, reasons of an end, usage. Pure.

The signature of a call, which Gemini demands back, becomes that of a thought before it, where callers of every dialect keep signatures.
Signatures of texts aren't demanded back, and are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import msgspec

from app.budget.prices import TokenUsage
from app.inference import answers
from app.inference.answer_events import AnswerChoice, StopReason, WholeAnswer
from app.inference.conversation import Conversation, Opaque, Part, Text, Thinking, ToolInvocation
from app.inference.dialects.makers import of_gemini
from app.inference.dialects.wrapped_tools import custom_names, unwrapped
from app.inference.provider_errors import ProviderError, malformed, of_error_object
from app.inference.surrogates import mend
from app.inference.usage import parse_usage

UNFINISHED: Final = answers.UNFINISHED | {"FINISH_REASON_UNSPECIFIED"}
"""Values of `finishReason` that mean: not finished yet."""
UNBLOCKED: Final = frozenset({"", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"})
"""Values of `blockReason` that mean: the prompt was not blocked."""
INVALID_CALLS: Final = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
"""Finishes by which Gemini withholds a call that the model got wrong. What is left is no answer: an agent would take it for the end."""
REASONS: Final[Mapping[str, StopReason]] = {
    "STOP": "end",
    "MAX_TOKENS": "max_tokens",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_RECITATION",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE",
        ),
        "content_filter",
    ),
}  # fmt: skip
"""By `finishReason`: https://ai.google.dev/api/generate-content#FinishReason. An unknown one means the model's own end."""
OWN_PARTS: Final = (
    "inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall", "toolResponse", "functionResponse",
)  # fmt: skip
"""Parts of an answer that only Gemini's format has."""


def read_answer(body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
    """Read a whole answer. Raises ProviderError for an error object, or what is no answer."""
    candidates = candidates_of(body)
    usage, name, custom = usage_of(body), answer_id(body), custom_names(asked)
    named = name or uuid4().hex
    if not candidates:
        if not is_blocked(body):
            raise ProviderError("empty", "its answer has no candidates", unknown=True, usage=usage)
        choices: tuple[AnswerChoice, ...] = (AnswerChoice((), "content_filter"),)
    else:
        ordered = sorted(enumerate(candidates), key=lambda each: index_of(each[1], each[0]))
        choices = tuple(_choice(each, custom, f"{named}-{index_of(each, place)}", usage) for place, each in ordered)
    return WholeAnswer(choices, name or None, model_of(body), None, usage)


def candidates_of(body: object) -> list[Mapping[str, Any]]:
    """Return the candidates of an answer or event; none is valid. Raises ProviderError for an error object, or what is no answer."""
    if not isinstance(body, Mapping):
        raise malformed("its answer is not an object with candidates")
    if body.get("error"):
        raise of_error_object(body["error"])
    found = body.get("candidates") or []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise malformed("its answer has invalid candidates", usage=usage_of(body))
    return found


def index_of(candidate: Mapping[str, Any], place: int) -> int:
    """Return the index of a choice. Gemini leaves a 0 out."""
    found = candidate.get("index", place)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else place


def finish_of(candidate: Mapping[str, Any]) -> str | None:
    """Return why a choice ended; None if it hasn't."""
    found = candidate.get("finishReason")
    return found if isinstance(found, str) and found not in UNFINISHED else None


def reason_of(finish: str, *, calls: bool, usage: TokenUsage | None) -> StopReason:
    """Return the reason of an end: calls end with STOP here. Raises ProviderError for a call that Gemini withheld as invalid."""
    if finish in INVALID_CALLS:
        raise ProviderError("empty", f"its model called a tool in an invalid way ({finish})", unknown=True, usage=usage)
    reason = REASONS.get(finish, "end")
    return "tool_calls" if calls and reason == "end" else reason


def is_blocked(body: Mapping[str, Any]) -> bool:
    """Tell whether Gemini answered that it blocks the prompt."""
    feedback = body.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, Mapping) else None
    return isinstance(reason, str) and reason not in UNBLOCKED


def usage_of(body: Mapping[str, Any]) -> TokenUsage | None:
    return parse_usage(body.get("usageMetadata"))


def answer_id(body: Mapping[str, Any]) -> str:
    found = body.get("responseId")
    return found if isinstance(found, str) else ""


def model_of(body: Mapping[str, Any]) -> str | None:
    return answers.model({"model": body.get("modelVersion")})


def parts_of(candidate: Mapping[str, Any], custom: frozenset[str], answer: str, calls: int) -> Iterator[Part]:
    """Yield a candidate's parts as they came. `answer`: names the choice, for ids of calls; `calls`: those that came before."""
    content = candidate.get("content")
    given = content.get("parts") if isinstance(content, Mapping) else None
    if given is not None and (not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given)):
        raise malformed("its answer has invalid parts")
    for part in given or ():
        text, signature = part.get("text"), part.get("thoughtSignature")
        signed = of_gemini(signature) if isinstance(signature, str) and signature else None
        if part.get("thought") is True and (isinstance(text, str) or text is None):
            if text or signed:
                yield Thinking(text or "", signed)
        elif "functionCall" in part:
            if signed is not None:
                yield Thinking("", signed)
            yield _call(part["functionCall"], custom, answer, calls)
            calls += 1
        elif isinstance(text, str):
            if text:
                yield Text(text)
        elif (kind := next((name for name in OWN_PARTS if name in part), None)) is not None:
            yield Opaque("gemini", kind, part)


def joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Join texts that follow each other, and thoughts until one is signed: Gemini cuts them anywhere."""
    found: list[Part] = []
    for part in parts:
        match found[-1] if found else None, part:
            case Text(before), Text(text):
                found[-1] = Text(before + text)
            case Thinking(before, None), Thinking(text, signature):
                found[-1] = replace(part, text=before + text, signature=signature)
            case _:
                found.append(part)
    return tuple(found)


def _choice(candidate: Mapping[str, Any], custom: frozenset[str], name: str, usage: TokenUsage | None) -> AnswerChoice:
    parts = joined(parts_of(candidate, custom, name, 0))
    finish = finish_of(candidate)
    if finish is None:
        raise ProviderError("cut", "its answer has no finishReason", unknown=True, usage=usage)
    return AnswerChoice(parts, reason_of(finish, calls=any(isinstance(part, ToolInvocation) for part in parts), usage=usage))


def _call(given: object, custom: frozenset[str], answer: str, number: int) -> ToolInvocation:
    name = given.get("name") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(name, str) or not name:
        raise malformed("its answer has a tool call without a name")
    text = _json({} if given.get("args") is None else given["args"])
    made_id = given.get("id")
    if not isinstance(made_id, str) or not made_id:
        made_id = "call_" + hashlib.blake2b(f"{answer}/{number}".encode("utf-8", "replace"), digest_size=12).hexdigest()
    return ToolInvocation(made_id, name, unwrapped(text), "custom") if name in custom else ToolInvocation(made_id, name, text)


def _json(value: object) -> str:
    """Return a value's JSON; halves of characters, which a stream's events may keep, as U+FFFD."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(mend(value)).decode()
