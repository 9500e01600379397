"""Answer a batch of requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from app.errors import CairnError
from app.inference.catalog import Catalog
from app.inference.chat_engine import ChatEngine
from app.inference.request import CallContext, ChatRequest, CompletionAnswer


async def infer_batch(
    engine: ChatEngine,
    catalog: Catalog,
    requests: Sequence[ChatRequest],
    asker: Callable[[int], CallContext],
) -> list[CompletionAnswer | CairnError]:
    """Answer many requests, `batch_concurrency` at a time per first provider; in order, with an error in the place of a failed one."""
    gates: dict[str, asyncio.Semaphore] = {}

    async def one(place: int, request: ChatRequest) -> CompletionAnswer | CairnError:
        try:
            context = asker(place)
            request = catalog.resolve(request, context.models)
            async with gates.setdefault(request.chain[0].name, asyncio.Semaphore(catalog.batch_concurrency)):
                return await engine.complete(request, context)
        except CairnError as error:
            return error

    return list(await asyncio.gather(*(one(place, request) for place, request in enumerate(requests))))
