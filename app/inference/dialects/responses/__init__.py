"""OpenAI's Responses, read and written: what Codex speaks, and OpenAI's clients by their own choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference.answer_events import WholeAnswer
from app.inference.conversation import Conversation, DialectName
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.responses import answers
from app.inference.dialects.responses.request_reading import read_request
from app.inference.dialects.responses.request_writing import write_request
from app.inference.dialects.responses.stream_reading import ResponsesEventReader
from app.inference.dialects.responses.stream_writing import PING, ResponsesEventWriter

__all__ = ["PING", "RESPONSES", "ResponsesDialect", "ResponsesEventWriter"]


class ResponsesDialect:
    """Responses, as `Dialect` describes."""

    name: DialectName = "responses"

    def read_request(self, body: Mapping[str, Any]) -> Conversation:
        return read_request(body)

    def write_request(self, conversation: Conversation) -> WrittenRequest:
        return write_request(conversation)

    def read_answer(self, body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
        del asked  # custom tools are its own
        return answers.read_answer(body)

    def write_answer(self, answer: WholeAnswer, *, extra: Mapping[str, Any], asked: Conversation | None = None) -> dict[str, Any]:
        return answers.write_answer(answer, asked, extra=extra)

    def event_reader(self, asked: Conversation | None = None) -> ResponsesEventReader:
        del asked
        return ResponsesEventReader()

    def event_writer(self, *, input_tokens: int, usage_asked: bool = True, asked: Conversation | None = None) -> ResponsesEventWriter:
        del input_tokens, usage_asked  # told at the end, always
        return ResponsesEventWriter(asked)


RESPONSES = ResponsesDialect()
