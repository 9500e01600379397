"""OpenAI's endpoints: chat completions (streamed too), embeddings, models. Any OpenAI client works, with Cairn's URL and key."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from app.api.anthropic_models import AnthropicModelPage, ModelPaging, page_of
from app.api.model_calls import Project, cache_mode, call_context, receipt_headers, request_bytes
from app.api.schema import NO_NUL, Label, Plain, RequestBody, ResponseBody
from app.errors import InvalidInput
from app.inference.catalog import AUTO
from app.inference.request import ChatRequest, EmbeddingRequest, Vectors
from app.tokens import text_of
from app.web import error_shapes
from app.web.authenticated_route import VerbatimRoute
from app.web.disconnects import unless_disconnected
from app.web.errors import responses
from app.web.event_streams import EventStream
from app.web.fair_turns import FairTurns, exports_of
from app.web.requester import Payer, Reader, TheServices, services_of

router = APIRouter(prefix="/v1", tags=["models"], route_class=VerbatimRoute)

MAX_MESSAGES, MAX_PARTS, MAX_TEXTS = 10_000, 1_000, 2048
MAX_PRODUCED_TOKENS = 2**20
"""The sum over all choices: the budget hold before the call covers this many."""
MAX_TOKENS = 2**24
MAX_TOKEN_IDS = 100_000
ENCODED_AT_ONCE = 32
"""Vectors encoded per turn of the event loop: about a millisecond."""
TOKENS_OF = "text-embedding-3-small"
"""Clients tokenize with this model's encoding (cl100k_base) for a model that they don't know."""
NON_STANDARD_FIELDS = (
    "The providers of the chain are tried in turn. Fields that OpenAI's API doesn't have are passed on only to a provider of kind `local`;"
    " `x-cairn-dropped` lists those that were left out."
)

ModelName = Annotated[Label, StringConstraints(pattern=NO_NUL)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Loose(BaseModel):
    """Accepts unknown fields, as OpenAI does: they are passed on, or dropped and listed in `x-cairn-dropped`."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class CacheControl(RequestBody):
    """Anthropic's prompt caching, at its ordinary price."""

    type: Literal["ephemeral"]


class TextPart(RequestBody):
    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


class ImageUrl(RequestBody):
    url: Annotated[str, Field(pattern=r"^(data:image/[a-z+.-]+;base64,|https://)")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(RequestBody):
    type: Literal["image_url"]
    image_url: ImageUrl


class RefusalPart(RequestBody):
    type: Literal["refusal"]
    refusal: str


class InlineFile(RequestBody):
    file_data: Annotated[str, Field(pattern=r"^data:application/pdf;base64,")]
    filename: str | None = Field(None, max_length=512)


class DocumentPart(RequestBody):
    type: Literal["file"]
    file: InlineFile


KINDS = ("text", "image_url", "file", "refusal")


def _kind(part: object) -> str | None:
    """Return the tag of a part's model, in brackets so that no error's path shows it; None for a kind that isn't taken."""
    kind = part.get("type") if isinstance(part, Mapping) else KINDS[0]  # so that it's told to be no object
    return f"[{kind}]" if kind in KINDS else None


Part = Annotated[
    Annotated[TextPart, Tag("[text]")]
    | Annotated[ImagePart, Tag("[image_url]")]
    | Annotated[DocumentPart, Tag("[file]")]
    | Annotated[RefusalPart, Tag("[refusal]")],
    Discriminator(
        _kind,
        custom_error_type="kind_of_part",
        custom_error_message=(
            f"is of a type that isn't supported; supported: {', '.join(KINDS)}. The highest price of audio, a video or a file at the "
            "provider isn't known before the call: send its text"
        ),
    ),
]


class ChatMessage(Loose):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | Annotated[list[Part], Field(fail_fast=True, max_length=MAX_PARTS)] | None = None
    name: Plain | None = Field(None, max_length=256)
    tool_calls: Annotated[list[dict[str, Any]], Field(fail_fast=True, max_length=512)] | None = None
    tool_call_id: str | None = Field(None, max_length=256)


class Function(Loose):
    name: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.-]+$")
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Loose):
    type: Literal["function"]
    function: Function


class StreamOptions(Loose):
    include_usage: bool = Field(False, strict=True)


class ChatBody(Loose):
    """OpenAI's request. `model`: `auto`, a profile, or a provider's model, as `GET /v1/models` lists them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "auto", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}]}
    )

    model: ModelName = Field(min_length=1, max_length=200, examples=[AUTO])
    messages: Annotated[list[ChatMessage], Field(fail_fast=True, min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = Field(None, strict=True)
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, strict=True, ge=1, le=MAX_TOKENS)
    max_completion_tokens: int | None = Field(None, strict=True, ge=1, le=MAX_TOKENS)
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    n: int | None = Field(None, strict=True, ge=1, le=128)
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = Field(None, strict=True, ge=-(2**63), lt=2**63)
    logprobs: bool | None = Field(None, strict=True)
    top_logprobs: int | None = Field(None, strict=True, ge=0, le=20)
    logit_bias: dict[str, Annotated[Number, Field(ge=-100, le=100)]] | None = None
    user: str | None = Field(None, max_length=512)
    tools: Annotated[list[Tool], Field(fail_fast=True, max_length=512)] | None = None
    functions: Annotated[list[Function], Field(fail_fast=True, max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = Field(None, strict=True)
    response_format: dict[str, Any] | None = None
    cache: bool | None = Field(
        None, strict=True, description="Cairn's own. true: cache the answer even if it may vary; false: neither read nor write the cache."
    )


Texts = Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=MAX_TEXTS)]
TokenIds = Annotated[list[Annotated[int, Field(strict=True, ge=0)]], Field(fail_fast=True, min_length=1, max_length=MAX_TOKEN_IDS)]


class EmbeddingsBody(RequestBody):
    """OpenAI's request. `input`: a text, several texts, or token ids (cl100k_base) of one or several texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "auto", "input": ["one text", "another"]}]})

    model: ModelName = Field(min_length=1, max_length=200, examples=[AUTO])
    input: str | Texts | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True, min_length=1, max_length=MAX_TEXTS)]
    dimensions: int | None = Field(None, strict=True, ge=1, le=4096)
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = Field(None, max_length=512)


class ModelReply(ResponseBody):
    id: str = Field(examples=[AUTO])
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "cairn"


class ModelList(ResponseBody):
    object: Literal["list"] = "list"
    data: list[ModelReply]


OPENAI: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "OpenAI's completion; with `stream`, server-sent events. Headers `x-cairn-…` name provider, model and cost.",
        "content": {
            "application/json": {"example": {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "…"}}]}},
            "text/event-stream": {"example": 'data: {"choices": [{"delta": {"content": "…"}}]}\n\n'},
        },
    }
}


@router.post(
    "/chat/completions",
    summary="Create a chat completion",
    description=NON_STANDARD_FIELDS,
    responses={**OPENAI, **responses(400, 402, 413, 429, 502, 504)},
    response_class=Response,
)
async def complete(request: Request, payer: Payer, body: ChatBody, x_cairn_project: Project = None) -> Response:
    given: dict[str, Any] = await request.json()  # cached by the request: parsed once
    asked = ChatRequest(
        model=body.model,
        messages=given["messages"],
        parameters=given,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        choices=body.n or 1,
        bytes=request_bytes(request, await request.body()),
        cache=cache_mode(request, asked=body.cache),
    )
    if asked.choices * (asked.max_tokens or 1) > MAX_PRODUCED_TOKENS:
        raise InvalidInput(
            f"max_tokens, times n where that is given, is above {MAX_PRODUCED_TOKENS:,}: ask for less at a time.", param="max_tokens"
        )
    context = call_context(request, payer, "chat", x_cairn_project, given)
    engine = services_of(request).inference.engine
    if body.stream:
        usage_asked = body.stream_options is not None and body.stream_options.include_usage
        stream = await unless_disconnected(request, engine.open_stream(asked, context, usage_asked=usage_asked))
        return EventStream(stream.events(), receipt_headers(request, stream.receipt, streams=True), unread=stream.abandon)
    answer = await unless_disconnected(request, engine.complete(asked, context))
    return Response(answer.body, media_type="application/json", headers=receipt_headers(request, answer.receipt))


@router.post(
    "/embeddings",
    summary="Embed texts",
    description=f"`{AUTO}`: the first provider's embedding model, else Cairn's own, which is free. There is no fallback to another model.",
    responses=responses(400, 402, 413, 429, 502, 504),
    response_class=Response,
)
async def embed(
    request: Request,
    services: TheServices,
    payer: Payer,
    body: EmbeddingsBody,
    x_cairn_project: Project = None,
) -> Response:
    asked = EmbeddingRequest(body.model, _texts(body.input), body.dimensions)
    context = call_context(request, payer, "embeddings", x_cairn_project)
    here = services.inference.catalog.runs_here(body.model)
    with services.bulk.admission.admitted(payer.developer_id, asked.texts) if here else nullcontext():
        found = await unless_disconnected(request, services.inference.engine.embed(asked, context))
    reply = await _vectors(found, exports_of(request), base64=body.encoding_format == "base64")
    return Response(reply, media_type="application/json", headers=receipt_headers(request, found.receipt))


@router.get(
    "/models",
    summary="List the names that `model` may have, of those that the key may use",
    description="In Anthropic's shape, paged, where the request carries `anthropic-version`; else in OpenAI's.",
    responses=responses(),
)
async def models(
    services: TheServices,
    caller: Reader,
    paging: Annotated[ModelPaging, Query()],
) -> ModelList | AnthropicModelPage:
    names = services.inference.catalog.models(caller.models)
    if error_shapes.current() == "anthropic":
        return page_of(names, paging)
    return ModelList(data=[ModelReply(id=name) for name in names])


def _texts(given: str | list[str] | list[int] | list[list[int]]) -> list[str]:
    """Decode token ids to text: other providers, and the local model, have other tokens. InvalidInput for an unknown id."""
    items = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    texts = []
    for place, each in enumerate(items):
        try:
            texts.append(each if isinstance(each, str) else text_of(each, model=TOKENS_OF))
        except ValueError:
            where = "input" if items[0] is given else f"input[{place}]"
            raise InvalidInput(f"{where} holds a number that is no token of cl100k_base: send the text itself.", param="input") from None
    return texts


async def _vectors(found: Vectors, turns: FairTurns, *, base64: bool) -> bytes:
    """Encode the reply. Many vectors are encoded in batches, in turn with other large replies, so that the event loop stays free."""
    shape = _base64 if base64 else list
    parts = []
    for start in range(0, len(found.vectors), ENCODED_AT_ONCE):
        async with turns.turn() if len(found.vectors) > ENCODED_AT_ONCE else nullcontext():
            taken = enumerate(found.vectors[start : start + ENCODED_AT_ONCE], start)
            rows = [{"object": "embedding", "index": place, "embedding": shape(vector)} for place, vector in taken]
            parts.append(msgspec.json.encode(rows)[1:-1])
    head = {"object": "list", "model": found.receipt.model, "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens}}
    return msgspec.json.encode(head)[:-1] + b',"data":[' + b",".join(parts) + b"]}"


def _base64(vector: Sequence[float]) -> str:
    """Encode as little-endian float32, as OpenAI's own client expects it."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
