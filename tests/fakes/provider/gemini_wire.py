"""Gemini's format (generativelanguage v1beta). Owns the bytes, not when they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tests.fakes.provider.answers import Answer, Ask, Finish, Json, Role, Turn, ask, text_of, vector
from tests.fakes.provider.refusals import Refused, refusal
from tests.fakes.provider.wire import Script, data, encode, number, output_tokens, positive

_FINISH: dict[Finish | None, str | None] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool": "STOP",
    "filtered": "SAFETY",
    None: None,
}


@dataclass(frozen=True, slots=True)
class GeminiWire:
    kind: Literal["gemini"] = "gemini"

    @property
    def waiting(self) -> bytes:
        return b": keep-alive\n\n"

    @property
    def end(self) -> bytes:
        """Gemini's streams have no closing event."""
        return b""

    @property
    def error_body(self) -> bytes:
        return refusal("gemini", "503", model="").body

    @property
    def error_event(self) -> bytes:
        return b"data: %b\n\n" % self.error_body

    def read(self, path: str, body: Json) -> Ask:
        """The model and whether to stream are in the path: `…/models/{model}:{verb}`."""
        if not body.get("contents"):
            raise Refused("no_messages")
        model, _, verb = path.rpartition("/")[2].partition(":")
        config = body.get("generationConfig") or body.get("generation_config") or {}
        declared = [
            each for tool in body.get("tools") or [] for each in _either(tool, "functionDeclarations", "function_declarations") or []
        ]
        tools = {each["name"]: _either(each, "parameters", "parametersJsonSchema") or {} for each in declared}
        calling = _either(_either(body, "toolConfig", "tool_config") or {}, "functionCallingConfig", "function_calling_config") or {}
        forced = None
        if calling.get("mode") == "ANY":
            allowed = _either(calling, "allowedFunctionNames", "allowed_function_names")
            forced = next(iter(allowed or tools), None)
        system = Turn("system", text_of((_either(body, "systemInstruction", "system_instruction") or {}).get("parts")))
        return ask(
            [system, *map(_turn, body["contents"])],
            model=model,
            stream=verb == "streamGenerateContent",
            limit=positive(_either(config, "maxOutputTokens", "max_output_tokens")),
            tools={} if calling.get("mode") == "NONE" else tools,
            forced=forced,
            choices=positive(_either(config, "candidateCount", "candidate_count")) or 1,
        )

    def whole(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> bytes:
        candidates = [_candidate(at, _parts(answer), answer.finish) for at, answer in enumerate(answers)]
        return encode(_response(asked, number(), candidates, output_tokens(answers) if usage else None))

    def script(self, asked: Ask, answers: Sequence[Answer], *, usage: bool) -> Script:
        """Every chunk carries the usage so far. A function call comes in one piece, so it is one event."""
        n = number()
        tokens: list[bytes] = []
        sent = 0
        for at, answer in enumerate(answers):
            for parts, count in _pieces(answer):
                sent += count
                tokens.append(data(_response(asked, n, [_candidate(at, parts, None)], sent if usage else None)))
        ends = [_candidate(at, [{"text": ""}], answer.finish) for at, answer in enumerate(answers)]
        return Script(b"", tokens, data(_response(asked, n, ends, sent if usage else None)))

    def embeddings(self, model: str, body: Json, dimensions: int, *, usage: bool) -> bytes:
        """`embedContent` asks for one, `batchEmbedContents` for several."""
        asks = body.get("requests")
        found = [
            {"values": vector(text_of((each.get("content") or {}).get("parts")), each.get("outputDimensionality") or dimensions)}
            for each in (asks if asks is not None else [body])
        ]
        return encode({"embedding": found[0]} if asks is None else {"embeddings": found})

    def models(self, names: Sequence[str]) -> bytes:
        methods = ["generateContent", "streamGenerateContent", "embedContent"]
        listed = [{"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods} for name in names]
        return encode({"models": listed})


def _turn(content: Json) -> Turn:
    parts = content.get("parts") or []
    role: Role = "assistant" if content.get("role") == "model" else "user"
    if role == "user" and any("functionResponse" in part or "function_response" in part for part in parts):
        role = "tool"
    return Turn(role, text_of(parts))


def _either(given: Json, one: str, other: str) -> Any:
    """Google reads both spellings of every name."""
    return given.get(one, given.get(other))


def _response(asked: Ask, n: int, candidates: list[Json], output: int | None) -> Json:
    made: Json = {"candidates": candidates} if candidates else {}
    if output is not None:
        counted = {"promptTokenCount": asked.input_tokens, "candidatesTokenCount": output}
        made["usageMetadata"] = counted | {"totalTokenCount": asked.input_tokens + output}
    return made | {"modelVersion": asked.model, "responseId": f"fake{n:09d}"}


def _candidate(at: int, parts: list[Json], finish: Finish | None) -> Json:
    """A filtered answer that has said nothing has no content at all."""
    made: Json = (
        {} if finish == "filtered" and not any(part.get("text") for part in parts) else {"content": {"parts": parts, "role": "model"}}
    )
    if finish is not None:
        made["finishReason"] = _FINISH[finish]
    if finish == "filtered":
        made["safetyRatings"] = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]
    return made | {"index": at}


def _parts(answer: Answer) -> list[Json]:
    if answer.call is None:
        return [{"text": answer.text}]
    return [{"functionCall": {"name": answer.call.name, "args": msgspec.json.decode(answer.call.arguments)}}]


def _pieces(answer: Answer) -> list[tuple[list[Json], int]]:
    """The parts of each event, and how many tokens they are."""
    if answer.call is not None:
        return [(_parts(answer), len(answer.tokens))]
    return [([{"text": token}], 1) for token in answer.tokens]
