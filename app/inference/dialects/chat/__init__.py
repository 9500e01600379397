"""OpenAI's Chat Completions, read and written: what most providers speak, and what many callers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference.answer_events import WholeAnswer
from app.inference.conversation import Conversation, DialectName
from app.inference.dialects.chat import answers
from app.inference.dialects.chat.request_reading import read_request
from app.inference.dialects.chat.request_writing import write_request
from app.inference.dialects.chat.stream_reading import ChatEventReader
from app.inference.dialects.chat.stream_writing import ChatEventWriter
from app.inference.dialects.dialect import WrittenRequest

__all__ = ["CHAT", "ChatDialect"]


class ChatDialect:
    """Chat Completions, as `Dialect` describes."""

    name: DialectName = "chat"

    def read_request(self, body: Mapping[str, Any]) -> Conversation:
        return read_request(body)

    def write_request(self, conversation: Conversation) -> WrittenRequest:
        return write_request(conversation)

    def read_answer(self, body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
        return answers.read_answer(body, asked)

    def write_answer(self, answer: WholeAnswer, *, extra: Mapping[str, Any], asked: Conversation | None = None) -> dict[str, Any]:
        del asked  # this dialect repeats nothing of it
        return answers.write_answer(answer, extra=extra)

    def event_reader(self, asked: Conversation | None = None) -> ChatEventReader:
        return ChatEventReader(asked)

    def event_writer(self, *, input_tokens: int, usage_asked: bool = True, asked: Conversation | None = None) -> ChatEventWriter:
        del input_tokens, asked  # told at the end only
        return ChatEventWriter(usage_asked=usage_asked)


CHAT = ChatDialect()
