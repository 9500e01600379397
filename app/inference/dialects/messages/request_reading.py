"""Read a Messages request into a conversation. Owns the options and tools; messages: `block_reading.py`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.errors import InvalidInput
from app.inference.conversation import Conversation, HostedTool, Options, OutputFormat, Reasoning, ToolChoice, ToolDefinition
from app.inference.dialects.fields import Fields
from app.inference.dialects.messages.block_reading import BlockTurnReader, cache_mark, system_turn

MAX_MESSAGES, MAX_TOOLS, MAX_STOPS, MAX_TOKENS, MAX_MODEL_CHARS, MAX_USER_CHARS = 10_000, 512, 64, 2**24, 200, 512
MIN_BUDGET_TOKENS = 1_024
EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
CHOICES = frozenset({"auto", "any", "tool", "none"})
MORE_OF_TOOLS = ("defer_loading", "allowed_callers", "input_examples", "eager_input_streaming")
"""Fields of a tool that no other dialect has; kept by the tool's name, as `tools.FIELD` of `Options.other`."""
UNSUPPORTED_THREAD = "thread_unsupported_request"
"""Anthropic's code by which its clients know to send the whole conversation with each request."""
CITATIONS = "document.citations"
"""The name under which the wish for citations is dropped."""


def read_request(body: Mapping[str, Any], *, counted: bool = False) -> Conversation:
    """Read a request. Raises InvalidInput with the path of what is wrong. `counted`: only to be counted, so `max_tokens` may be missing."""
    request = Fields(body)
    model = request.needed_text("model", max_chars=MAX_MODEL_CHARS)
    max_tokens = request.integer("max_tokens", minimum=1, maximum=MAX_TOKENS)
    if max_tokens is None and not counted:
        raise request.wrong("max_tokens", "is missing: give the maximum number of tokens of the answer")
    if request.value("thread") is not None:
        said = "thread: Cairn stores no conversations. Send the whole conversation, without `thread`."
        raise InvalidInput(said, code=UNSUPPORTED_THREAD, param="thread")
    request.value("stream")
    reader = BlockTurnReader()
    turns = list(system_turn(request))
    for message in request.objects("messages", maximum=MAX_MESSAGES):
        reader.add(message)
    reader.end(request)
    other: dict[str, Any] = {CITATIONS: True} if reader.citations else {}
    tools = _tools(request, other)
    options = _options(request, max_tokens, tools, other)
    return Conversation(model, (*turns, *reader.turns), tools, options, "messages")


def _options(request: Fields, max_tokens: int | None, tools: tuple[ToolDefinition | HostedTool, ...], other: dict[str, Any]) -> Options:
    choice, parallel = _tool_choice(request, tools)
    reasoning, output_format = _thinking(request, max_tokens, other)
    metadata = request.object("metadata")
    return Options(
        max_tokens=max_tokens,
        temperature=request.number("temperature", minimum=0, maximum=1),
        top_p=request.number("top_p", minimum=0, maximum=1),
        top_k=request.integer("top_k", minimum=0, maximum=MAX_TOKENS),
        stop=_stops(request),
        tool_choice=choice,
        parallel_tools=parallel,
        reasoning=reasoning,
        output_format=output_format,
        user=None if metadata is None else metadata.text("user_id", max_chars=MAX_USER_CHARS),
        other={**request.rest(), **other},
    )


def _stops(request: Fields) -> tuple[str, ...]:
    found = request.items("stop_sequences", maximum=MAX_STOPS) or []
    for place, each in enumerate(found):
        if not isinstance(each, str) or not each:
            raise request.wrong(f"stop_sequences[{place}]", "must be a string that is not empty")
    return tuple(found)


def _tools(request: Fields, other: dict[str, Any]) -> tuple[ToolDefinition | HostedTool, ...]:
    found: list[ToolDefinition | HostedTool] = []
    names: set[str] = set()
    for tool in request.objects("tools", maximum=MAX_TOOLS):
        kind = tool.text("type")
        if kind not in {None, "custom"}:
            found.append(HostedTool("messages", str(kind), tool.whole))
            continue
        made = _tool(tool)
        if made.name in names:
            raise tool.wrong("name", f"is {made.name!r}, a name that another tool has already: give each tool its own name")
        names.add(made.name)
        found.append(made)
        for name in MORE_OF_TOOLS:
            if (value := tool.value(name)) not in (None, False, []):
                other.setdefault(f"tools.{name}", {})[made.name] = value
    return tuple(found)


def _tool(tool: Fields) -> ToolDefinition:
    name = tool.needed_text("name", max_chars=128)
    if not TOOL_NAME.fullmatch(name):
        raise tool.wrong("name", "may contain only letters, digits, _, - and .")
    schema = tool.mapping("input_schema")
    if schema is None:
        raise tool.wrong("input_schema", 'is missing: give a JSON schema, {"type": "object"} for a tool without arguments')
    if schema.get("type") != "object":
        raise tool.wrong("input_schema.type", "must be object")
    return ToolDefinition(name, tool.text("description"), schema, strict=tool.flag("strict"), cache=cache_mark(tool))


def _tool_choice(request: Fields, tools: tuple[ToolDefinition | HostedTool, ...]) -> tuple[ToolChoice | None, bool | None]:
    """Return the rule for calling tools, and whether several may be called at once."""
    choice = request.object("tool_choice")
    if choice is None:
        return None, None
    kind = choice.choice("type", CHOICES)
    alone = choice.flag("disable_parallel_tool_use")
    parallel = None if alone is None else not alone
    if kind in {"any", "tool"} and not tools:
        raise choice.invalid("requires a tool call, but the request has no tools: define some, or leave it out")
    match kind:
        case "auto":
            return ToolChoice("auto"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "any":
            return ToolChoice("required"), parallel
        case "tool":
            name = choice.needed_text("name", max_chars=128)
            if name not in {each.name if isinstance(each, ToolDefinition) else each.data.get("name") for each in tools}:
                raise choice.wrong("name", f"is {name!r}, which is none of the tools")
            return ToolChoice("named", name), parallel
    raise choice.wrong("type", f"is missing: give one of {', '.join(sorted(CHOICES))}")


def _thinking(request: Fields, max_tokens: int | None, other: dict[str, Any]) -> tuple[Reasoning | None, OutputFormat | None]:
    """Return the permission to think, with the effort, and the form of the answer."""
    config = request.object("output_config")
    effort = None if config is None else config.choice("effort", EFFORTS)
    form = _format(request.object("output_format") or (None if config is None else config.object("format")))
    for name, value in ({} if config is None else config.rest()).items():
        other[f"output_config.{name}"] = value
    thinking = request.object("thinking")
    if thinking is None:
        return (None if effort is None else Reasoning(effort=effort)), form
    kind, display = thinking.text("type"), thinking.choice("display", {"summarized", "omitted"})
    if display == "omitted":
        other["thinking.display"] = display
    summary = "auto" if display == "summarized" else None
    match kind:
        case "disabled":
            return Reasoning(enabled=False, effort=effort), form
        case "adaptive":
            return Reasoning(effort=effort, adaptive=True, summary=summary), form
        case "enabled":
            budget = thinking.integer("budget_tokens", minimum=MIN_BUDGET_TOKENS, maximum=MAX_TOKENS)
            if budget is None:
                raise thinking.wrong("budget_tokens", f"is missing: give at least {MIN_BUDGET_TOKENS:,}, and less than max_tokens")
            if max_tokens is not None and budget >= max_tokens:
                raise thinking.wrong("budget_tokens", f"is {budget:,}: it must be less than max_tokens, which is {max_tokens:,}")
            return Reasoning(effort=effort, budget_tokens=budget, summary=summary), form
    raise thinking.wrong("type", "must be enabled, adaptive or disabled")


def _format(form: Fields | None) -> OutputFormat | None:
    if form is None:
        return None
    if form.value("type") != "json_schema":
        raise form.wrong("type", "must be json_schema")
    schema = form.mapping("schema")
    if schema is None:
        raise form.wrong("schema", "is missing: give a JSON schema")
    return OutputFormat(schema, strict=True)
