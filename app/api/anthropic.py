"""Anthropic's endpoints: messages (streamed too), and their tokens counted. Any client of theirs works with one base URL and one key.

The same engine as OpenAI's endpoints: money, chain, caches, breakers and the log are one.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response

from app.api.model_calls import (
    Project,
    cache_mode,
    call_context,
    check_model,
    receipt_headers,
    refuse_hosted_tools,
    request_bytes,
    stream_asked,
    written,
)
from app.api.schema import ResponseBody
from app.budget.views import MonthLimit
from app.errors import InvalidInput
from app.inference.allowance import off_the_loop
from app.inference.conversation import Conversation
from app.inference.dialects.messages import MESSAGES, PING, read_request
from app.inference.hosted_tools import bounded_tools
from app.inference.request import OriginalRequest, Receipt
from app.inference.stream import summary
from app.web import budget_headers, request_ids
from app.web.authenticated_route import VendorRoute
from app.web.disconnects import unless_disconnected
from app.web.error_shapes import MESSAGES_PATH
from app.web.errors import anthropic_responses
from app.web.event_streams import NamedFeed
from app.web.requester import Payer, Reader, services_of

HELLO_PATH = "/api/hello"
COUNT_PATH = f"{MESSAGES_PATH}/count_tokens"
FORWARDED, USUAL_VERSION, MAX_HEADER_CHARS = ("anthropic-version", "anthropic-beta"), "2023-06-01", 4_096
PING_SECONDS = 15.0
"""Silence in a stream after which a ping is sent: Claude Code gives a stream up after 300 seconds without anything."""

router = APIRouter(tags=["models"], route_class=VendorRoute)
# Half a character becomes U+FFFD, unlike in a completion's prompt: an agent's tool cuts its output anywhere, and the agent sends it
# with every request from then on, so that refusing it would end the session.

EXAMPLE = {"model": "auto", "max_tokens": 1024, "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
COUNTED = {name: value for name, value in EXAMPLE.items() if name != "max_tokens"}
Given = Annotated[
    dict[str, Any], Body(description="Anthropic's request. `model`: `auto`, a profile, or a provider's model.", examples=[EXAMPLE])
]
GivenToCount = Annotated[dict[str, Any], Body(description="As for `/v1/messages`; `max_tokens` may be missing.", examples=[COUNTED])]
ANTHROPIC: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Anthropic's message; with `stream`, server-sent events. The `x-cairn-…` headers tell who answered, and the cost.",
        "content": {
            "application/json": {"example": {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "…"}]}},
            "text/event-stream": {"example": 'event: message_start\ndata: {"type": "message_start", "message": {"content": []}}\n\n'},
        },
    }
}
SHAPE = (
    'Errors have Anthropic\'s shape, `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`; an exhausted budget '
    "is 429 `billing_error` with `x-should-retry: false`. The `anthropic-ratelimit-unified-…` headers tell how much of the budget is "
    "used. `x-cairn-dropped` lists fields that no provider of the chain supports, which were left out."
)


class TokenCount(ResponseBody):
    input_tokens: int


@router.post(
    MESSAGES_PATH,
    summary="Create a message in Anthropic's format",
    description=SHAPE,
    responses={**ANTHROPIC, **anthropic_responses(413, 429, 502, 504)},
    response_class=Response,
)
async def create_message(request: Request, payer: Payer, body: Given, x_cairn_project: Project = None) -> Response:
    size, cache = request_bytes(request, await request.body()), cache_mode(request)
    services, original = services_of(request), original_request(request, body)
    uses = services.settings.inference.hosted_tool_uses
    original, conversation = original_request(request, body), await off_the_loop(partial(read_conversation, body, uses=uses), size)
    context = call_context(request, payer, "chat", x_cairn_project, body)
    conversations = services.inference.conversations
    limit = await services.budget.month_limits.read(payer)  # before the call: an open stream must not wait
    if stream_asked(body):
        stream = await unless_disconnected(
            request, conversations.open_stream(conversation, context, size=size, cache=cache, original=original)
        )
        headers = _headers(request, stream.receipt, limit, streams=True)
        events = written(stream, MESSAGES.event_writer(input_tokens=stream.receipt.input_tokens))
        return NamedFeed(events, headers, unread=stream.abandon, ping=PING, ping_seconds=PING_SECONDS)
    asking = conversations.complete(conversation, context, size=size, cache=cache, original=original)
    answer, receipt = await unless_disconnected(request, asking)
    made = msgspec.json.encode(MESSAGES.write_answer(answer, extra=summary(receipt)))
    return Response(made, media_type="application/json", headers=_headers(request, receipt, limit))


@router.post(
    COUNT_PATH,
    summary="Count a prompt's tokens, at most, by Cairn's own count",
    description="An upper bound over the providers of the model's chain, as a budget hold counts. Calls no provider, costs nothing.",
    responses=anthropic_responses(413),
)
async def count_tokens(request: Request, caller: Reader, body: GivenToCount) -> TokenCount:
    size = request_bytes(request, await request.body())
    services, original = services_of(request), original_request(request, body)
    uses = services.settings.inference.hosted_tool_uses
    conversation = await off_the_loop(partial(read_conversation, body, uses=uses, counted=True), size)
    counted = await services.inference.conversations.input_tokens(conversation, size=size, original=original, allowed=caller.models)
    return TokenCount(input_tokens=counted)


@router.head(
    HELLO_PATH, summary="Tell Claude Code, before its first call, that the server is there", status_code=200, response_class=Response
)
async def hello() -> Response:
    return Response()


def read_conversation(body: dict[str, Any], *, uses: int, counted: bool = False) -> Conversation:
    """Read a request. Raises InvalidInput, which names the field; also for a tool that a provider itself would run at an unknown price.

    `uses`: the limit that is written into the request where such a tool has none.
    """
    if isinstance(tools := body.get("tools"), list):
        body["tools"] = bounded_tools(tools, uses=uses)
    conversation = read_request(body, counted=counted)
    check_model(conversation)
    refuse_hosted_tools(conversation, body, instead="a tool of your own with an input_schema")
    return conversation


def original_request(request: Request, body: dict[str, Any]) -> OriginalRequest:
    """Return the request as it came, with the headers that change what Anthropic's models do. InvalidInput for an invalid header."""
    headers = {name: value for name in FORWARDED if (value := ", ".join(request.headers.getlist(name))) and value != USUAL_VERSION}
    for name, value in headers.items():
        if len(value) > MAX_HEADER_CHARS or not (value.isascii() and value.isprintable()):
            raise InvalidInput(f"The header {name} must have at most {MAX_HEADER_CHARS:,} printable ASCII characters.", param=name)
    return OriginalRequest("messages", body, headers)


def _headers(request: Request, receipt: Receipt, limit: MonthLimit | None, *, streams: bool = False) -> dict[str, str]:
    """Return the headers of an answer, with the state of the payer's budget as Claude Code reads it."""
    headers = {**receipt_headers(request, receipt, streams=streams), **request_ids.anthropic_header()}
    if receipt.left is None or limit is None or limit.nanousd is None:
        return headers
    return headers | budget_headers.used(limit=limit.nanousd, left=receipt.left, resets_at=limit.resets_at)
