"""Which format a request speaks and what it wants, by its path."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final, Literal

from tests.fakes.provider.anthropic_wire import AnthropicWire
from tests.fakes.provider.gemini_wire import GeminiWire
from tests.fakes.provider.openai_wire import OpenAIWire
from tests.fakes.provider.refusals import Kind
from tests.fakes.provider.wire import Wire

Task = Literal["chat", "embeddings", "models"]

API_BASES: Final[dict[Kind, str]] = {"openai": "/v1", "groq": "/openai/v1", "anthropic": "", "gemini": "/v1beta"}
WIRES: Final[dict[Kind, Wire]] = {
    "openai": OpenAIWire(),
    "groq": OpenAIWire("groq"),
    "anthropic": AnthropicWire(),
    "gemini": GeminiWire(),
}

_VERB = re.compile(r"/models/([^/:]+):(generateContent|streamGenerateContent|embedContent|batchEmbedContents)$")


def route(method: str, path: str, headers: Container[str]) -> tuple[Wire, Task | None, str | None]:
    """The format, what is asked for (None: nothing we know), and the model where the path names it."""
    kind: Kind = "groq" if path.startswith("/openai/v1/") else "openai"
    if method == "POST":
        if path.endswith("/chat/completions"):
            return WIRES[kind], "chat", None
        if path.endswith("/messages"):
            return WIRES["anthropic"], "chat", None
        if path.endswith("/embeddings"):
            return WIRES[kind], "embeddings", None
        if verb := _VERB.search(path):
            return WIRES["gemini"], "embeddings" if "mbed" in verb[2] else "chat", verb[1]
    if path.startswith("/v1beta/"):
        kind = "gemini"
    elif "anthropic-version" in headers:
        kind = "anthropic"
    return WIRES[kind], "models" if method == "GET" and path.endswith("/models") else None, None
