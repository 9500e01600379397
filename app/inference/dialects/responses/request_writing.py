"""Write a conversation as a Responses request. Owns the options and tools; the input: `item_writing.py`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.inference.conversation import (
    Conversation,
    HostedTool,
    Options,
    OutputFormat,
    Reasoning,
    Text,
    ToolChoice,
    ToolDefinition,
    Turn,
)
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.efforts import effort_of
from app.inference.dialects.responses.item_writing import ItemWriter
from app.inference.dialects.responses.items import Json, named, namespaces

HARMLESS: Final = frozenset({
    "metadata", "store", "stream", "stream_options", "service_tier", "inference_geo", "diagnostics", "cache_control",
    "tools.eager_input_streaming",
})  # fmt: skip
"""Other dialects' options that don't change the answer: no loss, so not named."""


def write_request(conversation: Conversation) -> WrittenRequest:
    """Write a request, whose answer the provider doesn't store. Raises InvalidInput for a part that no field can hold."""
    dropped = Dropped()
    writer = ItemWriter(conversation, dropped)
    items = writer.items()
    body: Json = {"model": conversation.model}
    if writer.instructions is not None:
        body["instructions"] = writer.instructions
    body |= {"input": items, **_options(conversation.options, dropped), "store": False}
    if tools := _tools(conversation.tools, dropped):
        body["tools"] = tools
        body |= _calling(conversation)
    for name, value in conversation.options.other.items():
        if conversation.dialect == "responses":
            head, _, tail = name.partition(".")
            if tail:
                body[head] = {**body.get(head, {}), tail: value}
            else:
                body.setdefault(name, value)
        elif name not in HARMLESS:
            dropped.add(name)
    return WrittenRequest(body, dropped.names)


def repeated(asked: Conversation) -> Json:
    """Return the fields of a request that its response repeats, beside the short ones of its head."""
    match asked.turns:
        case (Turn("system", (Text(text=said),)), *_):
            instructions: str | None = said
        case _:
            instructions = None
    text = _options(asked.options, Dropped()).get("text") or {}
    return {
        "instructions": instructions,
        "text": {"format": {"type": "text"}, **text},
        "tools": _tools(asked.tools, Dropped()),
        "tool_choice": "auto" if asked.options.tool_choice is None else _choice(asked.options.tool_choice, asked),
    }


def _options(options: Options, dropped: Dropped) -> Json:
    for name, value in (
        ("stop", options.stop or None),
        ("top_k", options.top_k),
        ("seed", options.seed),
        ("presence_penalty", options.presence_penalty or None),
        ("frequency_penalty", options.frequency_penalty or None),
        ("n", options.choices if options.choices > 1 else None),
    ):
        if value is not None:
            dropped.add(name)
    text: Json = {} if options.output_format is None else {"format": _format(options.output_format)}
    if options.verbosity is not None:
        text["verbosity"] = options.verbosity
    found = {
        "max_output_tokens": options.max_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "reasoning": None if options.reasoning is None else _reasoning(options.reasoning) or None,
        "text": text or None,
        "user": options.user,
    }
    return {name: value for name, value in found.items() if value is not None}


def _reasoning(reasoning: Reasoning) -> Json:
    found = {"effort": effort_of(reasoning), "summary": reasoning.summary}
    return {name: value for name, value in found.items() if value is not None}


def _format(form: OutputFormat) -> Json:
    if form.schema is None:
        return {"type": "json_object"}
    strict = {} if form.strict is None else {"strict": form.strict}
    return {"type": "json_schema", "name": form.name or "answer", "schema": form.schema, **strict}


def _tools(tools: Iterable[ToolDefinition | HostedTool], dropped: Dropped) -> list[Json]:
    """Return the tools, those of one group together, where its first one stood."""
    found: list[Json] = []
    groups: dict[str, Json] = {}
    for tool in tools:
        if isinstance(tool, HostedTool):
            if tool.dialect == "responses":
                found.append(dict(tool.data))
            else:
                dropped.add(f"tools.{tool.type}")
        elif (group := tool.namespace) is None:
            found.append(_tool(tool))
        elif group.name in groups:
            groups[group.name]["tools"].append(_tool(tool))
        else:
            told = {} if group.description is None else {"description": group.description}
            groups[group.name] = {"type": "namespace", "name": group.name, **told, "tools": [_tool(tool)]}
            found.append(groups[group.name])
    return found


def _tool(tool: ToolDefinition) -> Json:
    name = tool.name if tool.namespace is None else tool.namespace.tool
    given: Mapping[str, Any] = {"description": tool.description, "format": tool.format}
    if tool.kind == "function":
        given = {"description": tool.description, "parameters": tool.schema, "strict": tool.strict}
    return {"type": tool.kind, "name": name, **{field: value for field, value in given.items() if value is not None}}


def _calling(conversation: Conversation) -> Json:
    options, found = conversation.options, Json()
    if (choice := options.tool_choice) is not None:
        found["tool_choice"] = _choice(choice, conversation)
    if options.parallel_tools is not None:
        found["parallel_tool_calls"] = options.parallel_tools
    return found


def _choice(choice: ToolChoice, conversation: Conversation) -> str | Json:
    if choice.mode != "named":
        return choice.mode
    return {"type": choice.kind, **named(choice.name or "", namespaces(conversation.tools))}
