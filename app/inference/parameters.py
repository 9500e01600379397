"""Decide which OpenAI parameters reach which provider.

Unsupported ones are dropped and reported; those that could cost more than a hold covers are never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference import hosted_tools, vendor_fields
from app.inference.chain import ChainProvider
from app.inference.conversation import HostedTool
from app.inference.own_parts import SPOKEN, check_own
from app.inference.profiles import DocumentSource
from app.inference.provider_errors import ProviderError
from app.inference.request import ChatRequest
from app.inference.wires.wire import ProviderCall
from app.tokens import documents, remote_images

ALLOWED_PARAMETERS = frozenset({
    "temperature", "top_p", "n", "stop", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "logprobs", "top_logprobs", "user",
    "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "reasoning_effort", "verbosity",
})  # fmt: skip
"""Allowlist: others (`service_tier`, `web_search_options`, `prediction`, `audio` …) would be billed beside the held tokens."""
SOURCES: Mapping[DocumentSource, str] = {"inline": "such as PDFs", "url": "by their address", "file_id": "by their id"}
NEVER = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "cache"})


def check(candidate: ChainProvider, request: ChatRequest) -> None:
    """Raise ProviderError if this provider can't take the request, or its price can't be bounded."""
    check_own(candidate, request)
    profile = candidate.profile
    if profile.fetches_urls and remote_images(request.messages):
        raise ProviderError("unsupported", "Send images inline, as data:image/… URLs.", code="unsupported_image", param="messages")
    for block, _ in documents(request.messages):
        if (source := _source(block["file"])) not in profile.documents:
            said = f"It accepts no documents {SOURCES[source]}: {_called(block['file'])}. Send its text, or its pages as images."
            raise ProviderError("unsupported", said, code="unsupported_document", param="messages")
    for place, tool in enumerate(() if request.conversation is None else request.conversation.tools):
        if isinstance(tool, HostedTool) and tool.dialect in SPOKEN and (reason := _unbounded(candidate, tool)) is not None:
            where = f"tools[{place}]"
            said = f"{where} is {tool.type}, a tool that the vendor runs or defines itself: {reason}. Leave it out, or define your own."
            raise ProviderError("unsupported", said, code="unsupported_tool", param=where)


def _unbounded(candidate: ChainProvider, tool: HostedTool) -> str | None:
    """Return why what a hosted tool costs at this provider can't be bounded; None if it can."""
    if tool.dialect not in SPOKEN:
        return None  # nobody could run it: left out, and named
    if tool.dialect != candidate.profile.dialect:
        return f"the provider {candidate.name} doesn't have it"
    if hosted_tools.runs_at_caller(tool):
        return None
    if not hosted_tools.is_bounded(tool) or hosted_tools.name_of(tool) not in candidate.price.tools:
        return "it has no price per use that bounds the call"
    return None if candidate.context_tokens else f"the context window of {candidate.name} isn't known, which bounds what the tool reads"


def _source(file: Any) -> DocumentSource:
    return "inline" if "file_data" in file else "url" if "file_url" in file else "file_id"


def _called(file: Any) -> str:
    return str(file.get("filename") or file.get("file_url") or file.get("file_id") or "a PDF")[:200]


def thinks(candidate: ChainProvider, request: ChatRequest) -> bool:
    """Tell whether the model may produce hidden reasoning, always or on request; it is billed as output."""
    parameters = request.parameters
    asked = parameters.get("thinking")
    return (
        candidate.reasoning
        or candidate.profile.thinking_tokens(parameters) > 0
        or (isinstance(asked, Mapping) and asked.get("type") not in (None, "disabled"))
    )


def call_for(candidate: ChainProvider, request: ChatRequest, max_tokens: int) -> tuple[ProviderCall, tuple[str, ...]]:
    """Return the call for a provider, and the names of what it can't be given: parameters, and fields of messages."""
    profile = candidate.profile
    given: Mapping[str, Any] = {name: value for name, value in request.parameters.items() if value is not None and name not in NEVER}
    allowed = given.keys() if profile.takes_unlisted else given.keys() & ALLOWED_PARAMETERS
    kept = {name: given[name] for name in given if name in allowed and candidate.wire.supports(name)}
    if not candidate.reasoning:
        kept = {name: value for name, value in kept.items() if name not in request.optional}
    if kept.get("reasoning_effort") == "max":
        kept["reasoning_effort"] = "high"  # the highest that providers of this dialect know
    if "tools" in kept:
        kept["tools"] = vendor_fields.tools_for(profile, kept["tools"])
    messages, lost = vendor_fields.messages_for(profile, request.messages)
    dropped = tuple(sorted({*given.keys() - kept.keys(), *lost}))
    return ProviderCall(candidate.model, messages, {**kept, "max_tokens": max_tokens}), dropped
