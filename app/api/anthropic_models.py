"""The list of models as Anthropic's clients page through it. Knows no provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from app.api.schema import ResponseBody
from app.errors import InvalidInput

CREATED_AT = "1970-01-01T00:00:00Z"
"""Anthropic's own word for "unknown"."""


class AnthropicModel(ResponseBody):
    type: Literal["model"] = "model"
    id: str = Field(examples=["auto"])
    display_name: str
    created_at: str = CREATED_AT
    lifecycle: Literal["active"] = "active"


class AnthropicModelPage(ResponseBody):
    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class ModelPaging(BaseModel):
    """Anthropic's paging, where the request carries `anthropic-version`; OpenAI's list is always whole."""

    limit: Annotated[int, Query(ge=1, le=1000, description="Models per page, in Anthropic's shape.")] = 20
    after_id: Annotated[str | None, Query(max_length=200, description="The page after this model.")] = None
    before_id: Annotated[str | None, Query(max_length=200, description="The page before this model.")] = None


def shown(name: str) -> AnthropicModel:
    return AnthropicModel(id=name, display_name=name)


def page_of(names: Sequence[str], paging: ModelPaging) -> AnthropicModelPage:
    """Return a page of models. InvalidInput for a place that is none of them."""
    first, end = 0, len(names)
    if paging.after_id is not None:
        first = _place(names, paging.after_id, "after_id") + 1
    if paging.before_id is not None:
        end = _place(names, paging.before_id, "before_id")
    backwards = paging.before_id is not None and paging.after_id is None
    within = names[first:end]
    page = within[-paging.limit :] if backwards else within[: paging.limit]
    ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
    return AnthropicModelPage(data=[shown(name) for name in page], has_more=len(page) < len(within), **ends)


def _place(names: Sequence[str], name: str, param: str) -> int:
    if name not in names:
        raise InvalidInput(
            f"{param}: there is no model {name!r} here. Pass `first_id` or `last_id` of a page, or leave it out to begin.", param=param
        )
    return names.index(name)
