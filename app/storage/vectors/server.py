"""The vector store on a Qdrant server or cluster, through `qdrant-client`. The server must support RRF's parameter k.

Not yet tested against a real server: the contract suite runs against a REST shim over the same engine (tests/fakes/qdrant_server.py),
since no server can be installed where the tests run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import numpy as np
from qdrant_client import AsyncQdrantClient, models

from app.errors import VectorStoreUnavailable
from app.settings import Settings
from app.storage.vectors.bounds import check_points, check_search
from app.storage.vectors.breadth import UNMEASURED
from app.storage.vectors.collection import GREEN_SECONDS, Collections, asked
from app.storage.vectors.lexical import SparseVector
from app.storage.vectors.recipe import DENSE, EXACT_SHARE, RRF_K, SPARSE, candidates, is_of_several
from app.storage.vectors.store import NOTHING, Hit, IndexSchema, StoreStatus, Vector, VectorPoint, Where, Within

T = TypeVar("T")
POINTS_A_REQUEST = 64
"""About 10 ms of JSON encoding on the event loop."""
MANAGE_SECONDS = 60
"""Timeout for creating, switching and deleting collections, on which a cluster must agree first."""


class ServerStore:
    """A `VectorStore` over an alias. Opens without contacting the server; the collection is created before its first use."""

    def __init__(self, settings: Settings, schema: IndexSchema) -> None:
        """Create the client. Call in a thread: it reads certificates from disk."""
        key = settings.qdrant.api_key
        self._seconds = settings.vectors.timeout_seconds
        self._client = AsyncQdrantClient(
            url=settings.qdrant.url,
            api_key=key.get_secret_value() if key else None,
            timeout=MANAGE_SECONDS,  # `asked` bounds each call more tightly
            prefer_grpc=False,
            check_compatibility=False,
        )
        self._alias = settings.qdrant.collection
        self._collections = Collections(self._client, self._alias, settings.vectors, schema)
        self._params = models.SearchParams(
            hnsw_ef=settings.vectors.ef or UNMEASURED,
            quantization=models.QuantizationSearchParams(rescore=True, oversampling=settings.vectors.oversampling),
        )
        self._ready = False
        self._preparing: asyncio.Task[None] | None = None

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        await self._prepare()
        await self.upsert_into(self._alias, points)

    async def delete(self, ids: Sequence[UUID]) -> None:
        await self._prepare()
        await self.delete_from(self._alias, ids)

    async def nearest(
        self,
        vector: Vector,
        *,
        where: Where,
        limit: int,
        min_score: float | None = None,
        with_vectors: bool = False,
        within: Within | None = None,
        without: Where = NOTHING,
    ) -> list[Hit]:
        check_search(limit, within, vector=vector)
        await self._prepare()
        found = await self._asked(
            lambda: self._client.query_points(
                self._alias,
                query=vector.tolist(),
                using=DENSE,
                query_filter=_filter(where, within, without),
                search_params=self._params_of(where, without),
                limit=limit,
                score_threshold=min_score,
                with_payload=False,
                with_vectors=[DENSE] if with_vectors else False,
            )
        )
        return _hits(found, DENSE)

    async def lexical(
        self,
        terms: SparseVector,
        *,
        where: Where,
        limit: int,
        within: Within | None = None,
        corpus: Where | None = None,
        without: Where = NOTHING,
    ) -> list[Hit]:
        check_search(limit, within, terms=terms)
        if not terms.indices:
            return []
        await self._prepare()
        found = await self._asked(
            lambda: self._client.query_points(
                self._alias,
                query=_sparse(terms),
                using=SPARSE,
                query_filter=_filter(where, within, without),
                search_params=_rarity(corpus),
                limit=limit,
                with_payload=False,
            )
        )
        return _hits(found, SPARSE)

    async def hybrid(
        self,
        vector: Vector,
        terms: SparseVector,
        *,
        where: Where,
        limit: int,
        within: Within | None = None,
        corpus: Where | None = None,
        without: Where = NOTHING,
    ) -> list[Hit]:
        check_search(limit, within, vector=vector, terms=terms)
        await self._prepare()
        wanted, most = _filter(where, within, without), candidates(limit)
        prefetch = [models.Prefetch(query=vector.tolist(), using=DENSE, filter=wanted, params=self._params_of(where, without), limit=most)]
        if terms.indices:
            prefetch.append(models.Prefetch(query=_sparse(terms), using=SPARSE, filter=wanted, params=_rarity(corpus), limit=most))
        found = await self._asked(
            lambda: self._client.query_points(
                self._alias,
                prefetch=prefetch,
                query=models.RrfQuery(rrf=models.Rrf(k=RRF_K)),
                limit=limit,
                with_payload=False,
            )
        )
        return _hits(found, DENSE)

    async def status(self) -> StoreStatus:
        """Return the store's status. `unindexed` is always 0: the server builds its graphs in the background."""
        await self._prepare()
        info = await self._asked(lambda: self._client.get_collection(self._alias))
        detail = {"engine": "server", "status": str(info.status.value), "indexed_vectors": str(info.indexed_vectors_count or 0)}
        return StoreStatus(info.points_count or 0, 0, detail)

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator[ServerStaging]:
        await self.manage(self._collections.sweep)
        name = await self.manage(self._collections.create)
        staging = ServerStaging(self, self._collections, name)
        try:
            yield staging
        finally:
            if not staging.committed:
                await self.manage(lambda: self._collections.discard(name))

    @asynccontextmanager
    async def beside(self, place: str) -> AsyncIterator[ServerSink]:
        yield ServerSink(self, place)

    async def close(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
        await self._client.close()

    async def upsert_into(self, collection: str, points: Sequence[VectorPoint]) -> None:
        check_points(points)
        for start in range(0, len(points), POINTS_A_REQUEST):
            structs = [_struct(point) for point in points[start : start + POINTS_A_REQUEST]]
            await self._asked(lambda structs=structs: self._client.upsert(collection, structs, wait=True))  # type: ignore[misc]

    async def delete_from(self, collection: str, ids: Sequence[UUID]) -> None:
        selector = models.PointIdsList(points=[str(each) for each in ids])
        await self._asked(lambda: self._client.delete(collection, selector, wait=True))

    def _params_of(self, where: Where, without: Where) -> models.SearchParams:
        """Choose search parameters. For a filter by several values, or without some, use ACORN, slower but as complete as exact search."""
        if not without and not is_of_several({key: _values(value) for key, value in where.items()}):
            return self._params
        return self._params.model_copy(update={"acorn": models.AcornSearchParams(enable=True, max_selectivity=EXACT_SHARE)})

    async def manage(self, call: Callable[[], Awaitable[T]]) -> T:
        return await asked(call, seconds=MANAGE_SECONDS)

    async def _asked(self, call: Callable[[], Awaitable[T]]) -> T:
        return await asked(call, seconds=self._seconds)

    async def _prepare(self) -> None:
        """Create the collection before its first use, once for all callers; each waits no longer than its own timeout."""
        if self._ready:
            return
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._ensure(), name="ensure collection")
            self._preparing.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may be waiting any more
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.shield(self._preparing)
        except TimeoutError:
            raise VectorStoreUnavailable("The Qdrant server is still making Cairn's collection, or hangs: try again.") from None

    async def _ensure(self) -> None:
        await asked(self._collections.ensure, seconds=MANAGE_SECONDS)
        self._ready = True


class ServerSink:
    """A `Sink` into a collection without an alias."""

    def __init__(self, store: ServerStore, name: str) -> None:
        self._store = store
        self.place = name

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        await self._store.upsert_into(self.place, points)

    async def delete(self, ids: Sequence[UUID]) -> None:
        await self._store.delete_from(self.place, ids)


class ServerStaging(ServerSink):
    """The `Staging` of a server: a new collection until it takes the alias."""

    def __init__(self, store: ServerStore, collections: Collections, name: str) -> None:
        super().__init__(store, name)
        self._collections = collections
        self.committed = False

    async def optimize(self) -> None:
        """Wait until the server has built the graphs."""
        await asked(lambda: self._collections.settle(self.place), seconds=GREEN_SECONDS + MANAGE_SECONDS)

    async def commit(self) -> None:
        old = await self._store.manage(self._collections.target)
        await self._store.manage(lambda: self._collections.switch(self.place, old=old))
        self.committed = True
        if old is not None:
            await self._store.manage(lambda: self._collections.discard(old))


def _rarity(corpus: Where | None) -> models.SearchParams | None:
    return None if corpus is None else models.SearchParams(idf=models.IdfCorpusParams(corpus=_filter(corpus)))


def _filter(where: Where, within: Within | None = None, without: Where = NOTHING) -> models.Filter:
    must = _matches(where)
    if within is not None:
        must.append(models.FieldCondition(key=within.field, range=models.DatetimeRange(gte=_utc(within.since), lt=_utc(within.until))))
    return models.Filter(must=must, must_not=_matches(without) or None)


def _matches(where: Where) -> list[models.Condition]:
    return [models.FieldCondition(key=key, match=models.MatchAny(any=_values(value))) for key, value in where.items()]


def _values(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _utc(at: datetime | None) -> datetime | None:
    """Convert to UTC: RFC 3339 has no seconds in an offset, as historical local times do."""
    return None if at is None else at.astimezone(UTC)


def _sparse(terms: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=terms.indices, values=terms.values)


def _struct(point: VectorPoint) -> models.PointStruct:
    vectors: dict[str, models.Vector] = {str(name): vector.tolist() for name, vector in point.vectors.items()}
    vectors[SPARSE] = _sparse(point.terms)
    return models.PointStruct(id=str(point.id), vector=vectors, payload=dict(point.payload))


def _hits(found: models.QueryResponse, name: str) -> list[Hit]:
    hits = []
    for point in found.points:
        vector = point.vector.get(name) if isinstance(point.vector, dict) else None
        hits.append(Hit(UUID(str(point.id)), point.score, None if vector is None else np.asarray(vector, np.float32)))
    return hits
