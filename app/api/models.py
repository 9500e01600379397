"""One model by its name, as clients look it up before they ask it. The list of all stands with the completions."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.completions import ModelName, ModelReply
from app.web.errors import responses
from app.web.requester import Caller, TheServices

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models/{model:path}", summary="Show one model that may be asked for", responses=responses(404))
async def show_model(services: TheServices, caller: Caller, model: ModelName) -> ModelReply:  # noqa: ARG001 - the key is what counts
    services.inference.catalog.require(model)
    return ModelReply(id=model)
