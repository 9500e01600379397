"""Which of OpenAI's parameters reach which provider. What one doesn't take is dropped, and said; what may cost beyond a hold never goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference.chain import Candidate
from app.inference.faults import Fault
from app.inference.request import ChatRequest
from app.inference.wires.wire import Call
from app.tokens import remote_images

TAKEN = frozenset({
    "temperature", "top_p", "n", "stop", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "logprobs", "top_logprobs", "user",
    "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "reasoning_effort", "verbosity",
})  # fmt: skip
"""Others (`service_tier`, `web_search_options`, `prediction`, `audio`, …) would be billed beside the tokens that a hold covers."""
OWN_SERVER = "local"
"""A server of one's own bills nothing, so it gets what else was given, for example `top_k`."""
NEVER = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "cache"})
THINKING_TOKENS: Mapping[str, int] = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16_384}
"""What litellm lets Anthropic's models think for a `reasoning_effort`. It must be less than `max_tokens`, or Anthropic refuses (400)."""
FETCHES = frozenset({"gemini"})
"""Kinds that would read an address as a file or a film of theirs, at a price that nobody can tell before."""


def check(candidate: Candidate, request: ChatRequest) -> None:
    """Fault when this provider can't take it, or its price can't be bounded."""
    if candidate.kind in FETCHES and remote_images(request.messages):
        raise Fault("unsupported", "It takes images only as data:image/… in the request.", code="unsupported_image", param="messages")


def thinking_tokens(parameters: Mapping[str, Any]) -> int:
    """Tokens that a model may think before its answer. Where the caller names no `max_tokens`, they come on top of the default."""
    return THINKING_TOKENS.get(str(parameters.get("reasoning_effort")), 0)


def thinks(candidate: Candidate, request: ChatRequest) -> bool:
    """Say whether the model may think unseen: because it always may, or because it is asked to. What it thinks is paid as output."""
    parameters = request.parameters
    asked = parameters.get("thinking")
    return (
        candidate.reasoning
        or thinking_tokens(parameters) > 0
        or (isinstance(asked, Mapping) and asked.get("type") not in (None, "disabled"))
    )


def call_for(candidate: Candidate, request: ChatRequest, max_tokens: int) -> tuple[Call, tuple[str, ...]]:
    """The call, and the names of the parameters that were dropped."""
    given: Mapping[str, Any] = {name: value for name, value in request.parameters.items() if value is not None and name not in NEVER}
    allowed = given.keys() if candidate.kind == OWN_SERVER else given.keys() & TAKEN
    kept = {name: given[name] for name in given if name in allowed and candidate.wire.supports(name)}
    if candidate.kind == "anthropic" and thinking_tokens(kept) >= max_tokens:
        kept.pop("reasoning_effort", None)
    dropped = tuple(sorted(given.keys() - kept.keys()))
    return Call(candidate.model, request.messages, {**kept, "max_tokens": max_tokens}), dropped
