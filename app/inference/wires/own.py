"""The built-in embedding model as a provider: free, on this machine, always available."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.embeddings import Embedder
from app.inference.answers import Chunk, Completion
from app.inference.provider_errors import ProviderError
from app.inference.wires.wire import EmbeddingResult, ProviderCall

VECTORS_PER_STEP = 64


class OwnWire:
    """Embeds with the built-in model; refuses chat."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def complete(self, call: ProviderCall) -> Completion:
        raise _no_chat(call)

    async def stream(self, call: ProviderCall) -> AsyncGenerator[Chunk]:
        nothing: tuple[Chunk, ...] = ()
        for chunk in nothing:
            yield chunk
        raise _no_chat(call)

    async def embed(self, model: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> EmbeddingResult:
        if parameters.get("dimensions") not in {None, 384}:
            raise ProviderError(
                "caller", f"{model} has 384 dimensions: leave `dimensions` out.", 400, code="invalid_value", param="dimensions"
            )
        vectors = await self._embedder.embed(texts)
        return EmbeddingResult(await _listed(vectors), model, None)

    def supports(self, parameter: str) -> bool:
        del parameter
        return False

    async def close(self) -> None:
        return None


async def _listed(vectors: NDArray[np.float32]) -> list[list[float]]:
    """Convert vectors to lists in steps, yielding to the event loop: a thousand at once would block it for 10 ms."""
    made: list[list[float]] = []
    for start in range(0, len(vectors), VECTORS_PER_STEP):
        made += vectors[start : start + VECTORS_PER_STEP].tolist()
        await asyncio.sleep(0)
    return made


def _no_chat(call: ProviderCall) -> ProviderError:
    return ProviderError(
        "caller", f"{call.model} is an embedding model: use a chat model here.", 400, code="model_not_supported", param="model"
    )
