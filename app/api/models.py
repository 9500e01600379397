"""One model by its name, as clients look it up before they ask it. The list of all stands with the completions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.anthropic_models import AnthropicModel, shown
from app.api.completions import ModelName, ModelReply
from app.web import error_shapes
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1", tags=["models"])

Model = Annotated[ModelName, Path(description="A name of the list: `auto`, a profile, or a provider's model.")]


@router.get("/models/{model:path}", summary="Show one model that can be used", responses=responses(404))
async def show_model(
    services: TheServices,
    caller: Reader,
    model: Model,
) -> ModelReply | AnthropicModel:
    services.inference.catalog.require(model, caller.models)
    return shown(model) if error_shapes.current() == "anthropic" else ModelReply(id=model)
