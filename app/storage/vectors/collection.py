"""The collections of a Qdrant server and the alias that names the live one. Knows no point.

A collection is versioned (`cairn-<time>-<chance>`) so that a rebuild can make the next one and switch the alias, atomically.
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
from app.settings import Vectors as Options
from app.storage.vectors.recipe import FULL_SCAN_THRESHOLD_KB, INDEXING_THRESHOLD_KB, QUANTILE, SPARSE
from app.storage.vectors.store import DIMS, IndexSchema

T = TypeVar("T")
ABANDONED = timedelta(days=1)
"""A collection that no alias names is the rest of a rebuild that was cut off, once it is this old: no rebuild takes so long."""
GREEN_SECONDS, GREEN_POLL_SECONDS = 1800, 0.5


class Collections:
    def __init__(self, client: AsyncQdrantClient, alias: str, options: Options, schema: IndexSchema) -> None:
        self._client = client
        self._alias = alias
        self._options = options
        self._schema = schema

    async def target(self) -> str | None:
        """The live collection."""
        aliases = (await self._client.get_aliases()).aliases
        return next((each.collection_name for each in aliases if each.alias_name == self._alias), None)

    async def ensure(self) -> None:
        """The alias and its first collection exist. Of several servers that start at once, the last alias wins; all use it."""
        if await self.target() is not None:
            return
        name = await self.create()
        if await self.target() is None:
            await self.switch(name, old=None)
        await self.discard(name)

    async def create(self) -> str:
        """A new, empty collection that no alias names yet."""
        name = f"{self._alias}-{clock.now():%Y%m%dT%H%M%S}-{uuid4().hex[:8]}"
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=QUANTILE, always_ram=True)
        await self._client.create_collection(
            name,
            vectors_config={name: models.VectorParams(size=DIMS[name], distance=models.Distance.COSINE) for name in self._schema.vectors},
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
        """Let the alias name this collection: one request, so that no search meets a moment without one."""
        create = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=self._alias))
        delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
        await self._client.update_collection_aliases([create] if old is None else [delete, create])

    async def discard(self, name: str) -> None:
        """Delete a collection, unless it is the live one after all: a switch that seemed to fail may have been made."""
        if await self.target() != name:
            await self._client.delete_collection(name)

    async def settle(self, name: str) -> None:
        """Return when the server has built this collection's graphs, or after half an hour: it then finishes behind the alias."""
        loop = asyncio.get_running_loop()
        until = loop.time() + GREEN_SECONDS
        while loop.time() < until:
            if (await self._client.get_collection(name)).status == models.CollectionStatus.GREEN:
                return
            await asyncio.sleep(GREEN_POLL_SECONDS)

    async def sweep(self) -> None:
        """Delete what rebuilds that were cut off left behind."""
        live, before = await self.target(), clock.now() - ABANDONED
        for found in (await self._client.get_collections()).collections:
            made = self._made_at(found.name)
            if found.name != live and made is not None and made < before:
                await self._client.delete_collection(found.name)

    def _made_at(self, name: str) -> datetime | None:
        """None for a collection that is not ours."""
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
    """The server's answer. VectorStoreUnavailable when it is away, slow or refuses."""
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
