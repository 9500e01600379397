"""Read a caller's Chat Completions request into a conversation. Owns the options and tools; messages: `message_reading.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.inference.conversation import Conversation, Options, OutputFormat, Reasoning, ToolChoice, ToolDefinition
from app.inference.dialects.chat.message_reading import MessageReader, cache_mark
from app.inference.dialects.fields import Fields

MAX_MESSAGES, MAX_TOOLS, MAX_STOPS = 10_000, 512, 16
MAX_TOKENS = 2**24
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
TRANSPORT = ("stream", "stream_options", "cache")
"""Fields about how the answer is given, not about what is asked: routes read them."""
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
VERBOSITIES = frozenset({"low", "medium", "high"})


def read_request(body: Mapping[str, Any]) -> Conversation:
    """Read a request. Raises InvalidInput that names the wrong field."""
    request = Fields(body)
    model = request.needed_text("model", max_chars=200)
    messages = MessageReader()
    for message in request.objects("messages", maximum=MAX_MESSAGES):
        messages.add(message)
    if not messages.turns:
        raise request.wrong("messages", "is empty: send at least one message")
    tools = [_tool(each) for each in request.objects("tools", maximum=MAX_TOOLS)]
    tools += [_function(each, cache=None) for each in request.objects("functions", maximum=MAX_TOOLS)]
    options = _options(request)
    return Conversation(model, tuple(messages.turns), tuple(tools), options, dialect="chat")


def _options(request: Fields) -> Options:
    """Read the generation options; those that only this dialect has are kept in `other`."""
    longest = request.integer("max_completion_tokens", minimum=1, maximum=MAX_TOKENS)
    older = request.integer("max_tokens", minimum=1, maximum=MAX_TOKENS)
    choice = _tool_choice(request, "tool_choice") or _tool_choice(request, "function_call")
    return Options(
        max_tokens=longest or older,
        choices=request.integer("n", minimum=1, maximum=128) or 1,
        temperature=request.number("temperature", minimum=0, maximum=2),
        top_p=request.number("top_p", minimum=0, maximum=1),
        top_k=request.integer("top_k", minimum=-1, maximum=2**31),
        stop=_stop(request),
        seed=request.integer("seed", minimum=-(2**63), maximum=2**63 - 1),
        presence_penalty=request.number("presence_penalty", minimum=-2, maximum=2),
        frequency_penalty=request.number("frequency_penalty", minimum=-2, maximum=2),
        tool_choice=choice,
        parallel_tools=request.flag("parallel_tool_calls"),
        reasoning=_reasoning(request),
        output_format=_output_format(request),
        verbosity=request.choice("verbosity", VERBOSITIES),
        user=request.text("user", max_chars=512),
        other=_other(request),
    )


def _other(request: Fields) -> dict[str, Any]:
    """Return the options that were not read yet, and what can't be told otherwise. Read last."""
    for name in TRANSPORT:
        request.value(name)
    kept: dict[str, Any] = {"logprobs": request.flag("logprobs"), "top_logprobs": request.integer("top_logprobs", minimum=0, maximum=20)}
    match request.value("tool_choice"):
        case {"type": "allowed_tools"} as allowed:
            kept["tool_choice"] = allowed
    return {**request.rest(), **{name: value for name, value in kept.items() if value is not None}}


def _stop(request: Fields) -> tuple[str, ...]:
    found = request.value("stop")
    if found is None:
        return ()
    given = [found] if isinstance(found, str) else found
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise request.wrong("stop", "must be a string or a list of strings")
    if len(given) > MAX_STOPS:
        raise request.wrong("stop", f"has {len(given):,} elements: at most {MAX_STOPS} are taken")
    return tuple(given)


def _reasoning(request: Fields) -> Reasoning | None:
    effort = request.choice("reasoning_effort", EFFORTS)
    return None if effort is None else Reasoning(enabled=effort != "none", effort=effort)


def _output_format(request: Fields) -> OutputFormat | None:
    form = request.object("response_format")
    if form is None:
        return None
    match form.choice("type", {"text", "json_object", "json_schema"}):
        case "json_object":
            return OutputFormat()
        case "json_schema":
            inner = form.needed_object("json_schema")
            schema = inner.mapping("schema")
            return OutputFormat(schema={} if schema is None else schema, name=inner.text("name"), strict=inner.flag("strict"))
        case "text":
            return None
    raise form.wrong("type", "is missing: give text, json_object or json_schema")


def _tool(tool: Fields) -> ToolDefinition:
    match tool.value("type"):
        case "function":
            return _function(tool.needed_object("function"), cache=tool)
        case "custom":
            inner = tool.needed_object("custom")
            return ToolDefinition(
                _name(inner), inner.text("description"), kind="custom", format=_grammar(inner.mapping("format")), cache=cache_mark(tool)
            )
    raise tool.wrong("type", "must be function or custom: other tools have a price per use, which can't be reserved before the call")


def _function(function: Fields, *, cache: Fields | None) -> ToolDefinition:
    """Read a function. `cache`: the tool around it, which may carry the mark for the provider's prompt cache."""
    marked = cache_mark(function) or (None if cache is None else cache_mark(cache))
    return ToolDefinition(
        _name(function), function.text("description"), function.mapping("parameters"), strict=function.flag("strict"), cache=marked
    )


def _name(tool: Fields) -> str:
    name = tool.needed_text("name")
    if not TOOL_NAME.fullmatch(name):
        raise tool.wrong("name", "may have up to 128 letters, digits, underscores, dots and hyphens")
    return name


def _grammar(form: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a custom tool's format in the flat form that Responses has: here a grammar's parts stand in an object of their own."""
    if form is not None and isinstance(inner := form.get("grammar"), Mapping):
        return {"type": "grammar", **inner}
    return form


def _tool_choice(request: Fields, field: str) -> ToolChoice | None:
    """Read `tool_choice`, or the older `function_call`; None also for a choice that only this dialect has."""
    match request.value(field):
        case None:
            return None
        case ("auto" | "none" | "required") as mode:
            return ToolChoice(mode)
        case {"type": ("function" | "custom") as kind, **more} if isinstance(more.get(kind), Mapping):
            return ToolChoice("named", Fields(more[kind], f"{field}.{kind}").needed_text("name"), kind)
        case {"name": str(name)} if field == "function_call":
            return ToolChoice("named", name)
        case {"type": "allowed_tools"}:
            return None
    raise request.wrong(field, 'must be auto, none, required, or {"type": "function", "function": {"name": …}}')
