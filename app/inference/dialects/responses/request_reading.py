"""Read a Responses request into a conversation. Owns the options and tools; the input: `item_reading.py`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
    ToolNamespace,
    Turn,
)
from app.inference.dialects.fields import Fields
from app.inference.dialects.responses.item_reading import ItemReader, input_items
from app.inference.dialects.responses.items import qualified

MAX_TOOLS, MAX_TOKENS, MAX_MODEL_CHARS, MAX_USER_CHARS = 512, 2**24, 200, 512
TOOL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
VERBOSITIES = frozenset({"low", "medium", "high"})
SUMMARIES = frozenset({"auto", "concise", "detailed", "none"})
STORED: Final[Mapping[str, str]] = {
    "previous_response_id": "send the earlier items in `input`, without it",
    "conversation": "send the earlier items in `input`, without it",
    "prompt": "send the prompt's own text in `instructions` and `input`",
}
"""Fields that name something stored, and what to send instead."""
NO_STORE: Final = {
    "store": "send store: false, keep the answer, and send the whole conversation in `input` each time",
    "background": "leave it out, and read the answer as it comes (stream: true)",
}
"""Wishes that something be stored, and what to send instead."""


def read_request(body: Mapping[str, Any]) -> Conversation:
    """Read a request. Raises InvalidInput that names the wrong field."""
    request = Fields(body)
    model = request.needed_text("model", max_chars=MAX_MODEL_CHARS)
    _refuse_stored(request)
    request.value("stream")
    reader = ItemReader()
    system = [Turn("system", (Text(said),))] if (said := request.text("instructions")) else []
    for item in input_items(request):
        if isinstance(item, Fields):
            reader.add(item)
        elif item:
            reader.turns.append(Turn("user", (Text(item),)))
    reader.end(request)
    tools = _tools(request)
    return Conversation(model, (*system, *reader.turns), tools, _options(request, tools), "responses")


def _refuse_stored(request: Fields) -> None:
    for name, instead in STORED.items():
        if request.value(name) is not None:
            raise request.wrong(name, f"refers to stored data, but Cairn stores none: {instead}")
    for name, instead in NO_STORE.items():
        if request.flag(name):
            raise request.wrong(name, f"is true, but Cairn stores no conversations: {instead}")


def _options(request: Fields, tools: tuple[ToolDefinition | HostedTool, ...]) -> Options:
    """Read the generation options; those that only this dialect has are kept in `other`, which is read last."""
    form, verbosity, more = _text(request)
    kept: dict[str, Any] = {}
    if request.choice("truncation", {"auto", "disabled"}) == "auto":
        kept["truncation"] = "auto"
    options = Options(
        max_tokens=request.integer("max_output_tokens", minimum=1, maximum=MAX_TOKENS),
        temperature=request.number("temperature", minimum=0, maximum=2),
        top_p=request.number("top_p", minimum=0, maximum=1),
        tool_choice=_tool_choice(request, tools, kept),
        parallel_tools=request.flag("parallel_tool_calls"),
        reasoning=_reasoning(request),
        output_format=form,
        verbosity=verbosity,
        user=request.text("user", max_chars=MAX_USER_CHARS),
    )
    return replace(options, other={**request.rest(), **more, **kept})


def _text(request: Fields) -> tuple[OutputFormat | None, str | None, dict[str, Any]]:
    text = request.object("text")
    if text is None:
        return None, None, {}
    verbosity, form = text.choice("verbosity", VERBOSITIES), _format(text.object("format"))
    return form, verbosity, {f"text.{name}": value for name, value in text.rest().items()}


def _format(form: Fields | None) -> OutputFormat | None:
    if form is None:
        return None
    match form.choice("type", {"text", "json_object", "json_schema"}):
        case "text":
            return None
        case "json_object":
            return OutputFormat()
        case "json_schema":
            schema = form.mapping("schema")
            if schema is None:
                raise form.wrong("schema", "is missing: give a JSON schema")
            return OutputFormat(schema, form.text("name", max_chars=64), form.flag("strict"))
    raise form.wrong("type", "is missing: give text, json_object or json_schema")


def _reasoning(request: Fields) -> Reasoning | None:
    given = request.object("reasoning")
    if given is None:
        return None
    effort, summary = given.choice("effort", EFFORTS), given.choice("summary", SUMMARIES) or given.choice("generate_summary", SUMMARIES)
    if effort is None and summary in {None, "none"}:
        return None
    return Reasoning(enabled=effort != "none", effort=effort, summary=None if summary == "none" else summary)


def _tools(request: Fields) -> tuple[ToolDefinition | HostedTool, ...]:
    found: list[ToolDefinition | HostedTool] = []
    names: set[str] = set()
    for tool in request.objects("tools", maximum=MAX_TOOLS):
        for made in _tool(tool):
            found.append(made)
            if isinstance(made, ToolDefinition):
                if made.name in names:
                    raise tool.wrong("name", f"is {made.name!r}, a name that another tool has already: give each tool its own name")
                names.add(made.name)
    return tuple(found)


def _tool(tool: Fields) -> Iterator[ToolDefinition | HostedTool]:
    kind = tool.needed_text("type", max_chars=100)
    match kind:
        case "function" | "custom":
            yield _definition(tool, kind)
        case "namespace":
            group, description = _name(tool), tool.text("description")
            for each in tool.objects("tools", maximum=MAX_TOOLS):
                inner = each.choice("type", {"function", "custom"})
                if inner is None:
                    raise each.wrong("type", "is missing: give function or custom")
                yield _definition(each, inner, (group, description))
        case _:
            yield HostedTool("responses", kind, tool.whole)


def _definition(tool: Fields, kind: str, group: tuple[str, str | None] | None = None) -> ToolDefinition:
    """Read a tool of the caller's. `group`: the name and description of its namespace."""
    name = _name(tool)
    namespace = None if group is None else ToolNamespace(group[0], name, group[1])
    made, description = qualified(None if group is None else group[0], name), tool.text("description")
    if kind == "custom":
        return ToolDefinition(made, description, kind="custom", format=tool.mapping("format"), namespace=namespace)
    return ToolDefinition(made, description, tool.mapping("parameters"), strict=tool.flag("strict"), namespace=namespace)


def _name(tool: Fields) -> str:
    name = tool.needed_text("name")
    if not TOOL_NAME.fullmatch(name):
        raise tool.wrong("name", "may have up to 128 letters, digits, underscores, dots and hyphens")
    return name


def _tool_choice(request: Fields, tools: tuple[ToolDefinition | HostedTool, ...], kept: dict[str, Any]) -> ToolChoice | None:
    """Read the rule for calling tools. A list of allowed ones is kept for this dialect alone."""
    match request.value("tool_choice"):
        case None:
            return None
        case "required" if not tools:
            raise request.wrong("tool_choice", "requires a tool call, but the request has no tools: define some, or leave it out")
        case ("auto" | "none" | "required") as mode:
            return ToolChoice(mode)
        case {"type": "function" | "custom"} as given:
            choice = Fields(given, "tool_choice")
            name = qualified(choice.text("namespace"), choice.needed_text("name", max_chars=128))
            for tool in tools:
                if isinstance(tool, ToolDefinition) and tool.name == name:
                    return ToolChoice("named", name, tool.kind)
            raise choice.wrong("name", f"is {name!r}, which is none of the tools")
        case {"type": "allowed_tools"} as given:
            kept["tool_choice"] = given
            return None
        case {"type": str(kind)}:
            reason = "a tool that the provider runs, whose price per use can't be bounded before the call"
            raise request.wrong("tool_choice", f"demands {kind}, {reason}: send auto, or a function of your own")
    raise request.wrong("tool_choice", 'must be auto, none, required, or {"type": "function", "name": …}')
