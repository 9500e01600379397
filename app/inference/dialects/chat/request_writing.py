"""Write a conversation as a Chat Completions request. Owns the options and tools; messages: `message_writing.py`.

The fields are those of OpenAI's interface as its many servers know them: custom tools go as functions, the bound as `max_tokens`.
"""

from __future__ import annotations

from typing import Any

from app.inference.conversation import Conversation, HostedTool, Options, OutputFormat, Reasoning, ToolChoice, ToolDefinition
from app.inference.dialects.chat.message_writing import MessageWriter, cache_control
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.efforts import effort_of
from app.inference.dialects.wrapped_tools import wrapped

HARMLESS = frozenset({
    "metadata", "client_metadata", "store", "stream", "stream_options", "include", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "service_tier", "inference_geo", "diagnostics", "cache_control", "tools.eager_input_streaming",
})  # fmt: skip
"""Other dialects' options that don't change the answer: no loss, so not named."""


def write_request(conversation: Conversation) -> WrittenRequest:
    """Write a request. Raises InvalidInput for what can't be sent, or not at a price that is bounded beforehand."""
    dropped = Dropped()
    body: dict[str, Any] = {"model": conversation.model, "messages": MessageWriter(conversation, dropped).messages()}
    tools = [_tool(each) for each in conversation.tools if isinstance(each, ToolDefinition)]
    for each in conversation.tools:
        if isinstance(each, HostedTool):
            dropped.add(f"tools.{each.type}")
    options = conversation.options
    body |= _options(options, dropped)
    if tools:
        body["tools"] = tools
        if options.tool_choice is not None:
            body["tool_choice"] = _choice(options.tool_choice)
        if options.parallel_tools is not None:
            body["parallel_tool_calls"] = options.parallel_tools
    if conversation.dialect in {None, "chat"}:
        body = {**options.other, **body}
    else:
        for name in options.other:
            if name not in HARMLESS:
                dropped.add(name)
    return WrittenRequest(body, dropped.names)


def _options(options: Options, dropped: Dropped) -> dict[str, Any]:
    found = {
        "max_tokens": options.max_tokens,
        "n": options.choices if options.choices > 1 else None,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
        "stop": list(options.stop) or None,
        "seed": options.seed,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "reasoning_effort": None if options.reasoning is None else _effort(options.reasoning, dropped),
        "response_format": None if options.output_format is None else _response_format(options.output_format),
        "verbosity": options.verbosity,
        "user": options.user,
    }
    return {name: value for name, value in found.items() if value is not None}


def _effort(reasoning: Reasoning, dropped: Dropped) -> str | None:
    """Return the effort that is nearest to what was asked for."""
    if reasoning.summary is not None:
        dropped.add("reasoning.summary")
    return effort_of(reasoning)


def _response_format(form: OutputFormat) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": form.name or "answer", "schema": form.schema}
    return {"type": "json_schema", "json_schema": schema if form.strict is None else {**schema, "strict": form.strict}}


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    """Return a tool as a function. A custom tool's grammar becomes part of its description, since nothing enforces it there."""
    tool = wrapped(tool) if tool.kind == "custom" else tool
    given = {"name": tool.name, "description": tool.description, "parameters": tool.schema, "strict": tool.strict}
    function = {name: value for name, value in given.items() if value is not None}
    return {"type": "function", "function": function, **cache_control(tool.cache)}


def _choice(choice: ToolChoice) -> str | dict[str, Any]:
    return choice.mode if choice.mode != "named" else {"type": "function", "function": {"name": choice.name}}
