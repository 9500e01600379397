"""The part of a conversation that only its own dialect can say: bounded for a provider of that dialect, refused for others. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

import msgspec

from app.inference.chain import ChainProvider
from app.inference.conversation import Conversation, HostedTool, Opaque, Text
from app.inference.profiles import Dialect
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest

SPOKEN = frozenset(get_args(Dialect))
"""Dialects of providers. Tools of any other, which nobody could run, are left out and named."""
FILES = frozenset({"base64", "url", "file"})
"""Types of a source that is a file, whose tokens don't follow from its bytes."""


def check_own(candidate: ChainProvider, request: ChatRequest) -> None:
    """Raise ProviderError for a part whose price at this provider nobody can bound."""
    conversation = request.conversation
    if conversation is None:
        return
    for part in conversation.parts():
        if isinstance(part, Opaque) and part.dialect == candidate.dialect and _holds_file(part.data):
            said = f"A {part.type} block contains a file, whose highest price at this provider isn't known before the call: send its text."
            raise ProviderError("unsupported", said, 400, code="unsupported_part", param="messages")


def own_tokens(candidate: ChainProvider, request: ChatRequest) -> int:
    """Bound the tokens of what `own_data` returns: none is smaller than a byte. What a vendor adds for its tools is counted apart."""
    return sum(len(msgspec.json.encode(each)) for each in own_data(candidate, request))


def own_data(candidate: ChainProvider, request: ChatRequest) -> list[object]:
    """Return what of the prompt Chat Completions doesn't show, as JSON."""
    conversation = request.conversation
    return [] if conversation is None or conversation.dialect != candidate.dialect else list(_own_data(conversation))


def _own_data(conversation: Conversation) -> Iterator[object]:
    yield from (tool.data for tool in conversation.tools if isinstance(tool, HostedTool))
    if conversation.options.other:
        yield conversation.options.other
    for part in conversation.parts():
        if isinstance(part, Opaque):
            yield part.data
        elif isinstance(part, Text) and part.citations:
            yield [each.data for each in part.citations]


def _holds_file(value: object) -> bool:
    match value:
        case {"source": {"type": str(kind)}} if kind in FILES:
            return True
        case {"type": "container_upload"}:
            return True
        case Mapping():
            return any(map(_holds_file, value.values()))
        case list():
            return any(map(_holds_file, value))
    return False
