"""Write a conversation as a Messages request. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.errors import InvalidInput
from app.inference.conversation import (
    Audio,
    CacheLifetime,
    Conversation,
    Document,
    HostedTool,
    Image,
    Opaque,
    Options,
    Part,
    Reasoning,
    RefusalText,
    Text,
    Thinking,
    ToolChoice,
    ToolDefinition,
    ToolInvocation,
    ToolResult,
    Turn,
)
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.makers import gemini_signature
from app.inference.dialects.messages.blocks import Json, cited, id_of, input_of, thinking_block
from app.inference.dialects.messages.request_reading import CITATIONS, MAX_STOPS, MIN_BUDGET_TOKENS
from app.inference.dialects.wrapped_tools import wrapped

DEFAULT_MAX_TOKENS: Final = 4_096
"""The bound of an answer where the conversation gives none: this dialect demands one."""
EFFORTS: Final[Mapping[str, str]] = {"minimal": "low"}
"""Efforts of other dialects that go by another name here."""
NO_EFFORT = "none"
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/javascript")
HARMLESS: Final = frozenset({
    "metadata", "client_metadata", "store", "stream", "stream_options", "include", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention",
})  # fmt: skip
"""Other dialects' options that don't change the answer: no loss, so not named."""


def write_request(conversation: Conversation) -> WrittenRequest:
    """Write a request. Raises InvalidInput for a part that no field can hold."""
    dropped = Dropped()
    body: Json = {"model": conversation.model, "max_tokens": conversation.options.max_tokens or DEFAULT_MAX_TOKENS}
    writer = _TurnWriter(conversation, dropped)
    messages = writer.messages()
    if writer.system:
        body["system"] = writer.system
    body["messages"] = messages
    if tools := [made for tool in conversation.tools if (made := _tool(tool, dropped)) is not None]:
        body["tools"] = tools
        body |= _choice(conversation.options)
    body |= _options(conversation, body["max_tokens"], dropped)
    _add_others(body, conversation, dropped)
    return WrittenRequest(body, dropped.names)


class _TurnWriter:
    """Writes turns. Those of the system go to `system`, in their order; turns of one speaker that follow each other become one message."""

    def __init__(self, conversation: Conversation, dropped: Dropped) -> None:
        self._conversation = conversation
        self._dropped = dropped
        self.system: list[Json] = []

    def messages(self) -> list[Json]:
        found: list[Json] = []
        for place, turn in enumerate(self._conversation.turns):
            blocks = [made for index, part in enumerate(turn.parts) for made in self._part(f"turns[{place}].parts[{index}]", turn, part)]
            if turn.name is not None:
                self._dropped.add(f"{turn.role}.name")
            if turn.role in {"system", "developer"}:
                self.system += blocks
            elif blocks and found and found[-1]["role"] == turn.role:
                found[-1]["content"] += blocks
            elif blocks:
                found.append({"role": turn.role, "content": blocks})
        for message in found:
            message["content"].sort(key=lambda block: block["type"] != "tool_result")  # results must come first
        if not found:
            raise InvalidInput(
                "The request contains nothing that can be sent to a provider: add a user message with text.", param="messages"
            )
        return found

    def _part(self, where: str, turn: Turn, part: Part) -> Iterator[Json]:
        match part:
            case Thinking():
                yield from self._thought(turn, part)
            case ToolInvocation():
                yield {"type": "tool_use", "id": id_of(part.id), "name": part.name, "input": input_of(part), **_mark(part.cache)}
            case ToolResult():
                content = [made for each in part.parts for made in self._content(where, turn, each)]
                failed = {"is_error": True} if part.failed else {}
                yield {"type": "tool_result", "tool_use_id": id_of(part.call_id), "content": content, **failed, **_mark(part.cache)}
            case _:
                yield from self._content(where, turn, part)

    def _thought(self, turn: Turn, thought: Thinking) -> Iterator[Json]:
        """Yield thinking that Anthropic's models can take back: with its proof, and not sealed by another vendor."""
        proven = thought.sealed is not None or thought.signature is not None
        if not proven or thought.id is not None or gemini_signature(thought) is not None:
            self._dropped.add(f"{turn.role}.thinking")
        else:
            yield thinking_block(thought)

    def _content(self, where: str, turn: Turn, part: Part) -> Iterator[Json]:
        match part:
            case Text(text, cache):
                if text:
                    yield {"type": "text", "text": text, **cited(part), **_mark(cache)}
            case RefusalText(text):
                if text:
                    yield {"type": "text", "text": text}
            case Image() if turn.role == "user":
                yield {"type": "image", "source": _image_source(where, part), **_mark(part.cache)}
            case Document() if turn.role == "user":
                yield _document(where, part)
            case Audio():
                raise _refused(where, "is an audio recording, which this provider doesn't accept: send its transcript as text")
            case Opaque("messages", _, data):
                yield dict(data)
            case Opaque():
                self._dropped.add(f"{turn.role}.{part.type}")
            case Image() | Document() | Thinking() | ToolInvocation() | ToolResult():
                self._dropped.add(f"{turn.role}.{_KINDS[type(part)]}")


_KINDS: Mapping[type, str] = {
    Image: "image",
    Document: "document",
    Thinking: "thinking",
    ToolInvocation: "tool_call",
    ToolResult: "tool_result",
}


def _image_source(where: str, image: Image) -> Json:
    source = image.source
    if source.data is not None:
        return {"type": "base64", "media_type": image.media_type or "image/png", "data": source.data}
    if source.url is not None:
        return {"type": "url", "url": source.url}
    if source.file_id is not None:
        return {"type": "file", "file_id": source.file_id}
    raise _refused(where, "is an image without content: give its data or its URL")


def _document(where: str, document: Document) -> Json:
    source, kind = document.source, document.media_type or "application/pdf"
    if source.data is not None and kind.startswith(TEXT_TYPES):
        try:
            text = base64.b64decode(source.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _refused(where, f"is a document of {kind} that is not base64-encoded UTF-8 text: encode it again") from None
        made: Json = {"type": "text", "media_type": "text/plain", "data": text}
    elif source.data is not None:
        made = {"type": "base64", "media_type": kind, "data": source.data}
    elif source.url is not None:
        made = {"type": "url", "url": source.url}
    elif source.file_id is not None:
        made = {"type": "file", "file_id": source.file_id}
    else:
        raise _refused(where, "is a document without content: give its data or its URL")
    title = {} if document.name is None else {"title": document.name}
    return {"type": "document", "source": made, **title, **_mark(document.cache)}


def _tool(tool: ToolDefinition | HostedTool, dropped: Dropped) -> Json | None:
    if isinstance(tool, HostedTool):
        if tool.dialect == "messages":
            return dict(tool.data)
        dropped.add(f"tools.{tool.type}")
        return None
    tool = wrapped(tool) if tool.kind == "custom" else tool
    schema = {"type": "object", **(tool.schema or {})}
    given = {"name": tool.name, "description": tool.description, "input_schema": schema, "strict": tool.strict}
    return {name: value for name, value in given.items() if value is not None} | _mark(tool.cache)


def _choice(options: Options) -> Json:
    """Return the rule for calling tools. Whether several may be called at once is a part of it here."""
    alone = {} if options.parallel_tools is None else {"disable_parallel_tool_use": not options.parallel_tools}
    match options.tool_choice:
        case ToolChoice("none"):
            return {"tool_choice": {"type": "none"}}
        case ToolChoice("required"):
            return {"tool_choice": {"type": "any", **alone}}
        case ToolChoice("named", name):
            return {"tool_choice": {"type": "tool", "name": name, **alone}}
        case ToolChoice():
            return {"tool_choice": {"type": "auto", **alone}}
    return {"tool_choice": {"type": "auto", **alone}} if alone else {}


def _options(conversation: Conversation, max_tokens: int, dropped: Dropped) -> Json:
    options = conversation.options
    for name, value in (
        ("seed", options.seed),
        ("presence_penalty", options.presence_penalty or None),
        ("frequency_penalty", options.frequency_penalty or None),
        ("verbosity", options.verbosity),
        ("n", options.choices if options.choices > 1 else None),
    ):
        if value is not None:
            dropped.add(name)
    temperature = options.temperature
    if temperature is not None and temperature > 1:
        dropped.add("temperature")
        temperature = 1.0
    found = {
        "temperature": temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "stop_sequences": list(options.stop[:MAX_STOPS]) or None,
        "metadata": None if options.user is None else {"user_id": options.user},
        **_thinking(options.reasoning, conversation, max_tokens, dropped),
    }
    return {name: value for name, value in found.items() if value is not None}


def _thinking(reasoning: Reasoning | None, conversation: Conversation, max_tokens: int, dropped: Dropped) -> Json:
    """Return `thinking` and `output_config`. An effort from another dialect asks for thinking too: there it is the only way to say so."""
    config: Json = {}
    form = conversation.options.output_format
    if form is not None and form.schema is None:
        dropped.add("response_format")
    elif form is not None:
        config["format"] = {"type": "json_schema", "schema": form.schema}
    thinking: Json | None = None
    if reasoning is not None:
        effort = reasoning.effort
        if effort is not None and effort != NO_EFFORT:
            config["effort"] = EFFORTS.get(effort, effort)
        display = {"display": "summarized"} if reasoning.summary is not None else {}
        asked_elsewhere = effort is not None and conversation.dialect != "messages"
        if not reasoning.enabled or effort == NO_EFFORT:
            thinking = {"type": "disabled"}
        elif reasoning.budget_tokens is not None and max_tokens > MIN_BUDGET_TOKENS:
            budget = max(MIN_BUDGET_TOKENS, min(reasoning.budget_tokens, max_tokens - 1))
            thinking = {"type": "enabled", "budget_tokens": budget, **display}
        elif reasoning.budget_tokens is not None:
            dropped.add("thinking")
        elif reasoning.adaptive or asked_elsewhere:
            thinking = {"type": "adaptive", **display}
    return {"thinking": thinking, "output_config": config or None}


def _add_others(body: Json, conversation: Conversation, dropped: Dropped) -> None:
    """Add the options that only this dialect has, if they are its own; name them otherwise."""
    for name, value in conversation.options.other.items():
        head, _, tail = name.partition(".")
        if conversation.dialect != "messages":
            if name not in HARMLESS:
                dropped.add(name)
        elif name == CITATIONS:
            dropped.add(name)
        elif head == "tools":
            _add_to_tools(body.get("tools", []), tail, value)
        elif tail:
            body[head] = {**body.get(head, {}), tail: value}
        else:
            body[name] = value


def _add_to_tools(tools: list[Json], name: str, values: Mapping[str, Any]) -> None:
    for tool in tools:
        if tool.get("name") in values:
            tool[name] = values[tool["name"]]


def _mark(lifetime: CacheLifetime | None) -> Json:
    if lifetime is None:
        return {}
    return {"cache_control": {"type": "ephemeral"} if lifetime == "5m" else {"type": "ephemeral", "ttl": lifetime}}


def _refused(where: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{where} {reason}.", param=where)
