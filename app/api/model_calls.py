"""Helpers of all routes that call models, whatever their dialect: who asks, the use of the cache, the headers and stream of an answer."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from time import perf_counter
from types import MappingProxyType
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Header, Request

from app.accounts.requester import Requester
from app.api.call_origin import origin_of
from app.api.schema import ProjectName
from app.errors import InvalidInput
from app.inference.conversation import Conversation, HostedTool
from app.inference.conversations import AnswerStream
from app.inference.dialects.dialect import EventWriter
from app.inference.hosted_tools import is_bounded
from app.inference.request import CacheMode, CallContext, Receipt
from app.inference.stream import summary
from app.money import usd_text
from app.redaction.labels import check_label
from app.web import access_log, cache_control
from app.web.rate_limits import token_counter

NAME, MAX_NAMED = re.compile(r"[A-Za-z0-9_.-]{1,64}"), 20
"""Names of a caller's fields that may be echoed in a header (no header injection), and how many of them."""

NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
Project = Annotated[ProjectName | None, Header(alias="x-cairn-project", description="The call's project, for the request log.")]


def call_context(
    request: Request, payer: Requester, default_purpose: str, project: str | None, body: Mapping[str, Any] = NO_FIELDS
) -> CallContext:
    """Return the context of a call. `default_purpose`: its purpose where the caller names none. `body`: the request's, if it may name
    the session.
    """
    assert payer.developer_id is not None
    return CallContext(
        payer.developer_id,
        payer.team_id,
        uuid4().hex,
        payer.purpose or default_purpose,
        project,
        token_counter(request),
        origin_of(request.scope, body),
        payer.key_id,
        payer.models,
    )


def cache_mode(request: Request, *, asked: bool | None = None) -> CacheMode:
    """Combine `Cache-Control` with the request's own `cache` field, which wins."""
    if asked is False:
        return "never"
    mode = cache_control.cache_mode(request)
    return "always" if asked and mode == "auto" else mode


def receipt_headers(request: Request, receipt: Receipt, *, streams: bool = False) -> dict[str, str]:
    """Return the response headers, with what is known at the first byte.

    `streams`: the answer is a stream, whose cost is not known yet unless it comes from a cache: its last `usage` tells it.
    """
    access_log.record_receipt(request.scope, receipt)
    ours = perf_counter() - request.scope["cairn.began"] - receipt.upstream_seconds
    headers = {
        "x-cairn-provider": receipt.provider,
        "x-cairn-model": receipt.model,
        "x-cairn-attempts": str(receipt.attempts),
        "x-cairn-cache": receipt.cache,
        "x-cairn-overhead-ms": f"{max(0.0, ours) * 1000:.2f}",
    }
    if not streams or receipt.cache != "miss":
        headers["x-cairn-cost-usd"] = usd_text(receipt.nanousd)
    if receipt.left is not None:
        headers["x-cairn-budget-remaining-usd"] = usd_text(max(0, receipt.left))
    if receipt.bypass is not None:
        headers["x-cairn-cache-bypass"] = receipt.bypass
    if receipt.saved is not None:
        headers["x-cairn-saved-usd"] = usd_text(receipt.saved)
    if receipt.similarity is not None:
        headers["x-cairn-similarity"] = f"{receipt.similarity:.4f}"
    if receipt.dropped:
        headers["x-cairn-dropped"] = ", ".join(name if NAME.fullmatch(name) else "?" for name in receipt.dropped[:MAX_NAMED])
    if receipt.shrunk_to is not None:
        headers["x-cairn-shrunk-max-tokens"] = str(receipt.shrunk_to)
    return headers


def request_bytes(request: Request, body: bytes) -> int:
    """Return the size of a request as received."""
    return int(request.headers.get("content-length") or 0) or len(body)


def check_model(conversation: Conversation) -> None:
    """Check the name of the model that is asked for: it becomes a label, and a database knows no NUL."""
    check_label(conversation.model, param="model")
    if "\0" in conversation.model:
        raise InvalidInput("model contains a NUL character: remove it.", param="model")


def refuse_hosted_tools(conversation: Conversation, body: Mapping[str, Any], *, left_out: tuple[str, ...] = (), instead: str) -> None:
    """Raise InvalidInput for the first tool that the vendor itself runs or defines and whose cost can't be bounded, by its place.

    `left_out`: beginnings of types that are dropped and named instead; `instead`: what the caller may define.
    """
    unbounded = [each for each in conversation.tools if isinstance(each, HostedTool) and not is_bounded(each)]
    hosted = {id(each.data) for each in unbounded}  # as given: the very objects of the body
    for place, tool in enumerate(body.get("tools") or ()):
        if id(tool) in hosted and not tool["type"].startswith(left_out):
            reason = "its price per use can't be bounded before the call, and not every provider of the chain has it"
            said = f"tools[{place}] is {tool['type']}, a tool that the vendor runs or defines itself: {reason}."
            raise InvalidInput(f"{said} Leave it out, or define {instead}.", param=f"tools[{place}]")


def stream_asked(body: Mapping[str, Any]) -> bool:
    """Return whether a request asks for a stream."""
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise InvalidInput(f"stream must be true or false, not {str(stream)[:100]!r}.", param="stream")
    return bool(stream)


async def written(stream: AnswerStream, writer: EventWriter) -> AsyncGenerator[bytes]:
    """Yield a stream's server-sent events. Raises BrokenStream if it can't be completed."""
    events = stream.events()
    try:
        async for event in events:
            for raw in writer.feed(event):
                yield raw
    finally:
        await events.aclose()
    for raw in writer.end(stream.charged, extra=summary(stream.receipt)):
        yield raw
