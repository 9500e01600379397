"""OpenAI's Responses: what Codex speaks. Nothing is stored: each request has the whole conversation.

The same engine as the other endpoints: money, chain, caches, breakers and the log are one.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

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
from app.errors import CairnError, NotFound
from app.inference.allowance import off_the_loop
from app.inference.conversation import Conversation
from app.inference.conversations import AnswerStream
from app.inference.dialects.responses import PING, RESPONSES, ResponsesEventWriter
from app.inference.stream import summary
from app.web import errors
from app.web.authenticated_route import VendorRoute
from app.web.disconnects import unless_disconnected
from app.web.error_shapes import RESPONSES_PATH as PATH
from app.web.event_streams import NamedFeed
from app.web.requester import Payer, Reader, services_of

PING_SECONDS = 15.0
"""Silence in a stream after which a comment is sent: proxies close connections that are silent for a minute."""
LEFT_OUT: Final = ("web_search", "tool_search", "image_generation")
"""Beginnings of the names of tools that agents offer by themselves and can do without: left out, and named in `x-cairn-dropped`."""

router = APIRouter(tags=["models"], route_class=VendorRoute)
# Half a character becomes U+FFFD, as in Anthropic's messages: agents send again what their tools cut.

EXAMPLE = {"model": "auto", "input": "Why is the sky blue?", "store": False}
Given = Annotated[
    dict[str, Any],
    Body(
        description="OpenAI's request. `model`: `auto`, a profile, or a provider's model, as `GET /v1/models` lists them.",
        examples=[EXAMPLE],
    ),
]
OPENAI: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "OpenAI's response; with `stream`, server-sent events. The `x-cairn-…` headers tell who answered, and the cost.",
        "content": {
            "application/json": {"example": {"object": "response", "status": "completed", "output": []}},
            "text/event-stream": {
                "example": 'event: response.created\ndata: {"type": "response.created", "sequence_number": 0, "response": {}}\n\n'
            },
        },
    }
}
SHAPE = (
    "Nothing is stored: send the whole conversation in `input`. `previous_response_id`, `conversation`, `prompt`, `background` and "
    "`store: true` are refused. Tools that OpenAI runs are refused, but for web_search, tool_search and image_generation, which "
    "agents offer by themselves: those, and other fields that no provider of the chain supports, are left out and listed in "
    "`x-cairn-dropped`. A stream that can't be completed ends with `response.failed`."
)
GONE = "Nothing is stored here: a response is only in the reply to its request. Keep it, and send the earlier items in `input`."


class ResponsesFeed(NamedFeed):
    """A stream of a response's events; an error is the last one, with the next number."""

    def __init__(self, stream: AnswerStream, asked: Conversation, headers: dict[str, str]) -> None:
        self._writer: ResponsesEventWriter = RESPONSES.event_writer(input_tokens=stream.receipt.input_tokens, asked=asked)
        super().__init__(written(stream, self._writer), headers, unread=stream.abandon, ping=PING, ping_seconds=PING_SECONDS)

    def _error_frame(self, error: CairnError) -> bytes:
        told: Any = errors.body_of(error)["error"]
        return b"".join(self._writer.failed(told["code"], told["message"]))


@router.post(
    PATH,
    summary="Create a response in the format of OpenAI's Responses",
    description=SHAPE,
    responses={**OPENAI, **errors.responses(400, 402, 413, 429, 502, 504)},
    response_class=Response,
)
async def create_response(request: Request, payer: Payer, body: Given, x_cairn_project: Project = None) -> Response:
    size, cache = request_bytes(request, await request.body()), cache_mode(request)
    conversation = await off_the_loop(partial(read_conversation, body), size)
    conversations, context = services_of(request).inference.conversations, call_context(request, payer, "chat", x_cairn_project, body)
    if stream_asked(body):
        stream = await unless_disconnected(request, conversations.open_stream(conversation, context, size=size, cache=cache))
        return ResponsesFeed(stream, conversation, receipt_headers(request, stream.receipt, streams=True))
    answer, receipt = await unless_disconnected(request, conversations.complete(conversation, context, size=size, cache=cache))
    made = msgspec.json.encode(RESPONSES.write_answer(answer, asked=conversation, extra=summary(receipt)))
    return Response(made, media_type="application/json", headers=receipt_headers(request, receipt))


@router.api_route(f"{PATH}/{{response_id}}", methods=["GET", "DELETE"], include_in_schema=False)
@router.api_route(f"{PATH}/{{response_id}}/input_items", methods=["GET"], include_in_schema=False)
@router.api_route(f"{PATH}/{{response_id}}/cancel", methods=["POST"], include_in_schema=False)
async def stored_response(caller: Reader) -> Response:  # noqa: ARG001 - the key is what counts
    raise NotFound(GONE, code="not_stored")


def read_conversation(body: dict[str, Any]) -> Conversation:
    """Read a request. Raises InvalidInput, which names the field; also for a tool that a provider itself would run."""
    conversation = RESPONSES.read_request(body)
    check_model(conversation)
    refuse_hosted_tools(conversation, body, left_out=LEFT_OUT, instead="a function of your own")
    return conversation
