"""Write a conversation as a Gemini request. Owns the options and tools; turns: `content_writing.py`. Pure.

Marks for a prompt cache are left out: Gemini caches by itself. JSON schemas go as they are (`parametersJsonSchema`,
`responseJsonSchema`), since the older fields take but a part of what a schema can say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from app.inference.conversation import Conversation, HostedTool, Options, OutputFormat, ToolChoice, ToolDefinition
from app.inference.dialects.dialect import WrittenRequest
from app.inference.dialects.dropped import Dropped
from app.inference.dialects.gemini.content_writing import ContentWriter
from app.inference.dialects.gemini.thinking import is_newer, thinking_config
from app.inference.dialects.wrapped_tools import wrapped

Json = dict[str, Any]
MAX_STOPS: Final = 5
MAX_SEED: Final = 2**31
MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
HARMLESS: Final = frozenset({
    "metadata", "client_metadata", "store", "stream", "stream_options", "include", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "service_tier", "inference_geo", "diagnostics", "cache_control", "tools.eager_input_streaming",
})  # fmt: skip
"""Other dialects' options that don't change the answer: no loss, so not named."""


def write_request(conversation: Conversation) -> WrittenRequest:
    """Write a request to `conversation.model`, whose name stands in the address. Raises InvalidInput for a part that no field can hold."""
    dropped = Dropped()
    writer = ContentWriter(conversation, dropped)
    body: Json = {"contents": writer.contents()}
    if writer.system:
        body["systemInstruction"] = {"parts": writer.system}
    options = conversation.options
    if declared := list(_declared(conversation.tools, dropped)):
        body["tools"] = [{"functionDeclarations": declared}]
        if options.tool_choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _calling(options.tool_choice)}
        if options.parallel_tools is False:
            dropped.add("parallel_tool_calls")
    if config := _config(options, conversation.model, dropped):
        body["generationConfig"] = config
    for name in options.other:
        if name not in HARMLESS:
            dropped.add(name)
    return WrittenRequest(body, dropped.names)


def _declared(tools: Iterable[ToolDefinition | HostedTool], dropped: Dropped) -> Iterable[Json]:
    for tool in tools:
        if isinstance(tool, HostedTool):
            dropped.add(f"tools.{tool.type}")
            continue
        if tool.strict:
            dropped.add("tools.strict")
        told = wrapped(tool) if tool.kind == "custom" else tool
        schema = {"type": "object", **told.schema} if told.schema else None
        given = {"name": told.name, "description": told.description, "parametersJsonSchema": schema}
        yield {name: value for name, value in given.items() if value is not None}


def _calling(choice: ToolChoice) -> Json:
    return {"mode": MODES[choice.mode], **({"allowedFunctionNames": [choice.name]} if choice.mode == "named" else {})}


def _config(options: Options, model: str, dropped: Dropped) -> Json:
    for name, value in (("verbosity", options.verbosity), ("user", options.user)):
        if value is not None:
            dropped.add(name)
    given: Json = {
        "temperature": options.temperature,
        "topP": options.top_p,
        "topK": options.top_k if options.top_k is None or options.top_k > 0 else None,
        "maxOutputTokens": options.max_tokens,
        "stopSequences": _stops(options.stop, dropped),
        "candidateCount": options.choices if options.choices > 1 else None,
        "seed": _seed(options.seed, dropped),
        **_penalties(options, model, dropped),
        **_form(options.output_format),
        "thinkingConfig": thinking_config(options.reasoning, model),
    }
    return {name: value for name, value in given.items() if value is not None}


def _stops(stops: tuple[str, ...], dropped: Dropped) -> list[str] | None:
    if len(stops) > MAX_STOPS:
        dropped.add("stop")
    return list(stops[:MAX_STOPS]) or None


def _seed(seed: int | None, dropped: Dropped) -> int | None:
    if seed is not None and not -MAX_SEED <= seed < MAX_SEED:
        dropped.add("seed")
        return None
    return seed


def _penalties(options: Options, model: str, dropped: Dropped) -> Json:
    """Return the penalties that are not nought. Models from Gemini 3 on refuse them."""
    found = {"presence_penalty": options.presence_penalty or None, "frequency_penalty": options.frequency_penalty or None}
    if is_newer(model):
        for name, value in found.items():
            if value is not None:
                dropped.add(name)
        return {}
    return {"presencePenalty": found["presence_penalty"], "frequencyPenalty": found["frequency_penalty"]}


def _form(form: OutputFormat | None) -> Json:
    if form is None:
        return {}
    return {"responseMimeType": "application/json", "responseJsonSchema": form.schema or None}
