"""Manages a Qdrant server's collections and the alias of the live one. Knows no point.

Collections are versioned (`cairn-<time>-<random>`), so that a rebuild can fill a new one and switch the alias atomically.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from app import clock
from app.errors import VectorStoreUnavailable
from app.settings import VectorsSettings as Options
from app.storage.vectors.recipe import FULL_SCAN_THRESHOLD_KB, INDEXING_THRESHOLD_KB, QUANTILE, SPARSE
from app.storage.vectors.store import IndexSchema

T = TypeVar("T")
ABANDONED = timedelta(days=1)
"""Age from which a collection without an alias is taken for the remains of an interrupted rebuild."""
GREEN_SECONDS, GREEN_POLL_SECONDS = 1800, 0.5


class Collections:
    """Creates, switches and deletes one alias's collections."""

    def __init__(self, client: AsyncQdrantClient, alias: str, options: Options, schema: IndexSchema) -> None:
        self._client = client
        self._alias = alias
        self._options = options
        self._schema = schema

    async def target(self) -> str | None:
        """Return the name of the live collection; None if there is none."""
        aliases = (await self._client.get_aliases()).aliases
        return next((each.collection_name for each in aliases if each.alias_name == self._alias), None)

    async def ensure(self) -> None:
        """Create the alias and its first collection if absent. If several servers start at once, the last alias wins; all use it."""
        if await self.target() is not None:
            return
        name = await self.create()
        if await self.target() is None:
            await self.switch(name, old=None)
        await self.discard(name)

    async def create(self) -> str:
        """Create an empty collection without an alias; return its name."""
        name = f"{self._alias}-{clock.now():%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=QUANTILE, always_ram=True)
        await self._client.create_collection(
            name,
            vectors_config={
                each: models.VectorParams(size=size, distance=models.Distance.COSINE) for each, size in self._schema.vectors.items()
            },
            sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            hnsw_config=models.HnswConfigDiff(
                m=self._options.hnsw_m,
                ef_construct=self._options.hnsw_ef_construct,
                full_scan_threshold=FULL_SCAN_THRESHOLD_KB,
            ),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=INDEXING_THRESHOLD_KB),
            quantization_config=models.ScalarQuantization(scalar=scalar),
        )
        await self._index_payload(name)
        return name

    async def switch(self, name: str, *, old: str | None) -> None:
        """Point the alias to this collection in one atomic request."""
        create = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=self._alias))
        delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
        await self._client.update_collection_aliases([create] if old is None else [delete, create])

    async def discard(self, name: str) -> None:
        """Delete a collection unless it is live: a switch that seemed to fail may have succeeded."""
        if await self.target() != name:
            await self._client.delete_collection(name)

    async def settle(self, name: str) -> None:
        """Wait until the server has built the collection's graphs, at most half an hour; it then finishes in the background."""
        loop = asyncio.get_running_loop()
        until = loop.time() + GREEN_SECONDS
        while loop.time() < until:
            if (await self._client.get_collection(name)).status == models.CollectionStatus.GREEN:
                return
            await asyncio.sleep(GREEN_POLL_SECONDS)

    async def sweep(self) -> None:
        """Delete the remains of interrupted rebuilds."""
        live, before = await self.target(), clock.now() - ABANDONED
        for found in (await self._client.get_collections()).collections:
            made = self._made_at(found.name)
            if found.name != live and made is not None and made < before:
                await self._client.delete_collection(found.name)

    def _made_at(self, name: str) -> datetime | None:
        """Parse a collection's creation time from its name; None if it is not ours."""
        prefix = f"{self._alias}-"
        try:
            return (
                datetime.strptime(name.removeprefix(prefix)[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if name.startswith(prefix) else None
            )
        except ValueError:
            return None

    async def _index_payload(self, name: str) -> None:
        kinds = (
            (self._schema.keywords, models.PayloadSchemaType.KEYWORD),
            (self._schema.floats, models.PayloadSchemaType.FLOAT),
            (self._schema.datetimes, models.PayloadSchemaType.DATETIME),
        )
        for fields, kind in kinds:
            for field in fields:
                await self._client.create_payload_index(name, field, kind, wait=True)


async def asked(call: Callable[[], Awaitable[T]], *, seconds: float) -> T:
    """Await a call to the server. Raises VectorStoreUnavailable if it is away, slow or refuses."""
    try:
        async with asyncio.timeout(seconds):
            return await call()
    except UnexpectedResponse as error:
        raise VectorStoreUnavailable(_refusal(error.status_code or 0, error.reason_phrase)) from error
    except (ApiException, OSError, TimeoutError) as error:
        raise VectorStoreUnavailable("The Qdrant server does not answer. Check CAIRN_QDRANT__URL and that it runs.") from error


def _refusal(status: int, reason: str) -> str:
    if status in {401, 403}:
        return "The Qdrant server refuses Cairn's key. Check CAIRN_QDRANT__API_KEY."
    if status == 404:
        return "The Qdrant server does not have Cairn's collection any more. Run `cairn index rebuild`."
    return f"The Qdrant server refused ({status} {reason}). Its log says why."
