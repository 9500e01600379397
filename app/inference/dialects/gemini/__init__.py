"""Gemini's format, as providers speak it: requests are written, answers and streams read. No caller speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference.answer_events import WholeAnswer
from app.inference.conversation import Conversation, DialectName
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.gemini import answers
from app.inference.dialects.gemini.request_writing import write_request
from app.inference.dialects.gemini.stream_reading import GeminiEventReader

__all__ = ["GEMINI", "GeminiDialect"]


class GeminiDialect:
    """Gemini's format, as `ProviderDialect` describes. The model's name isn't part of the body: it stands in the address."""

    name: DialectName = "gemini"

    def write_request(self, conversation: Conversation) -> WrittenRequest:
        return write_request(conversation)

    def read_answer(self, body: Mapping[str, Any], asked: Conversation | None = None) -> WholeAnswer:
        return answers.read_answer(body, asked)

    def event_reader(self, asked: Conversation | None = None) -> GeminiEventReader:
        return GeminiEventReader(asked)


GEMINI = GeminiDialect()
