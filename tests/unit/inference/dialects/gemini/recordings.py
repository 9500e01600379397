"""Streams of Gemini's as they stand on the wire, byte for byte: lines end with CR LF, and every event repeats the usage."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def _event(*parts: Json, finish: str | None = None, index: int = 0, **more: Any) -> Json:
    candidate: Json = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    candidate |= {} if finish is None else {"finishReason": finish}
    usage = {
        "promptTokenCount": 9,
        "candidatesTokenCount": 4,
        "totalTokenCount": 13,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
    }
    return {
        "candidates": [{**candidate, "index": index}],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "mQ8saZ",
        **more,
    }


def _stream(*events: Json, ascii_only: bool = False) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(each, ensure_ascii=ascii_only).encode() for each in events)


def _call(name: str, call_id: str | None = None, signature: str | None = None, **args: Any) -> Json:
    call: Json = {"name": name, "args": args} if call_id is None else {"name": name, "args": args, "id": call_id}
    return {"functionCall": call} if signature is None else {"functionCall": call, "thoughtSignature": signature}


THOUGHT = {
    "promptTokenCount": 9,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 61,
    "cachedContentTokenCount": 5,
    "toolUsePromptTokenCount": 3,
    "totalTokenCount": 77,
}
COMPLETE: dict[str, bytes] = {
    "a text": _stream(_event({"text": "Größe "}), _event({"text": "東京 🦜"}), _event({"text": "."}, finish="STOP")),
    "escaped characters": _stream(_event({"text": "Größe 🦜"}), _event({"text": ""}, finish="STOP"), ascii_only=True),
    "comments between": b": keep-alive\r\n\r\n" + _stream(_event({"text": "a"})) + b": keep-alive\r\n\r\n" + _stream(_event(finish="STOP")),
    "thoughts, then a text": _stream(
        _event({"text": "**Considering**\n\n", "thought": True}, usageMetadata={"promptTokenCount": 9, "totalTokenCount": 9}),
        _event({"text": "a city", "thought": True}, usageMetadata={"promptTokenCount": 9, "thoughtsTokenCount": 61, "totalTokenCount": 70}),
        _event({"text": "Rome"}, usageMetadata=THOUGHT),
        _event({"text": "", "thoughtSignature": "CpMCAdHtim8="}, finish="STOP", usageMetadata=THOUGHT),
    ),
    "parallel calls with a signature": _stream(
        _event({"text": "Two cities.", "thought": True}),
        _event(_call("weather", "fc_1", "CiQB/+4=", city="Rom", days=[1, None]), _call("weather", "fc_2", city="Paris")),
        _event({"text": ""}, finish="STOP", usageMetadata=THOUGHT),
    ),
    "a call without an id": _stream(_event({"text": "Let me look."}), _event(_call("look"), finish="STOP")),
    "a custom tool": _stream(_event(_call("patch", "fc_1", input="*** Begin\n"), finish="STOP")),
    "two choices": _stream(
        _event({"text": "a"}),
        _event({"text": "b"}, index=1),
        _event({"text": "c"}, finish="STOP"),
        _event(finish="MAX_TOKENS", index=1),
    ),
    "code that ran": _stream(
        _event({"executableCode": {"language": "PYTHON", "code": "print(1)"}}),
        _event({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}, {"text": "One."}, finish="STOP"),
    ),
    "the limit": _stream(_event({"text": "cut"}, finish="MAX_TOKENS")),
    "filtered midway": _stream(
        _event({"text": "He "}), _event(finish="SAFETY", safetyRatings=[{"category": "HARM_CATEGORY_HARASSMENT", "blocked": True}])
    ),
    "a blocked prompt": _stream(
        {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
            "modelVersion": "gemini-2.5-flash",
        }
    ),
}
ERROR: Json = {"error": {"code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE"}}
BROKEN: dict[str, bytes] = {
    "an error midway": _stream(_event({"text": "He "}), ERROR),
    "an invalid call": _stream(_event({"text": "Now."}), _event(finish="MALFORMED_FUNCTION_CALL")),
    "no end": _stream(_event({"text": "He "}), _event({"text": "llo"})),
    "an end without a reason": _stream(_event({"text": "He "}), _event(finish="FINISH_REASON_UNSPECIFIED")),
}
