"""Anthropic's Messages, read and written: what Claude Code and Anthropic's own clients speak, and Anthropic's models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference.answer_events import WholeAnswer
from app.inference.conversation import Conversation, DialectName
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.messages import answers
from app.inference.dialects.messages.request_reading import read_request
from app.inference.dialects.messages.request_writing import write_request
from app.inference.dialects.messages.stream_reading import MessagesEventReader
from app.inference.dialects.messages.stream_writing import PING, MessagesEventWriter

__all__ = ["MESSAGES", "PING", "MessagesDialect", "read_request"]


class MessagesDialect:
    """Messages, as `Dialect` describes."""

    name: DialectName = "messages"

    def read_request(self, body: Mapping[str, Any]) -> Conversation:
        return read_request(body)

    def write_request(self, conversation: Conversation) -> WrittenRequest:
        return write_request(conversation)

    def read_answer(self, body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
        return answers.read_answer(body, asked)

    def write_answer(self, answer: WholeAnswer, *, extra: Mapping[str, Any], asked: Conversation | None = None) -> dict[str, Any]:
        del asked  # this dialect repeats nothing of it
        return answers.write_answer(answer, extra=extra)

    def event_reader(self, asked: Conversation | None = None) -> MessagesEventReader:
        return MessagesEventReader(asked)

    def event_writer(self, *, input_tokens: int, usage_asked: bool = True, asked: Conversation | None = None) -> MessagesEventWriter:
        del usage_asked, asked  # always told
        return MessagesEventWriter(input_tokens=input_tokens)


MESSAGES = MessagesDialect()
