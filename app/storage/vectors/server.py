"""The vector store of a team's Qdrant server or cluster, through `qdrant-client`.

Not yet proved against a real server: its contract suite runs against a REST shim of ours over the same engine
(tests/fakes/qdrant_server.py), because no server can be installed where the tests run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID, uuid4

import numpy as np
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from app.errors import VectorStoreUnavailable
from app.settings import Settings
from app.settings import Vectors as Options
from app.storage.vectors import lexical
from app.storage.vectors.store import DIMS, Hit, IndexSchema, Point, StoreStatus, Vector, VectorName, Where

T = TypeVar("T")
SPARSE = "bm25"
RRF_K = 60
PREFETCH = 4
POINTS_A_REQUEST = 256


class ServerStore:
    """The Protocol's `VectorStore` over an alias: the collection behind it is versioned, so that a rebuild can replace it."""

    def __init__(self, client: AsyncQdrantClient, alias: str, options: Options, schema: IndexSchema) -> None:
        self._client = client
        self._alias = alias
        self._options = options
        self._schema = schema

    @classmethod
    async def open(cls, settings: Settings, schema: IndexSchema) -> ServerStore:
        key = settings.qdrant.api_key
        client = await asyncio.to_thread(  # it reads certificates from the disk
            AsyncQdrantClient,
            url=settings.qdrant.url,
            api_key=key.get_secret_value() if key else None,
            timeout=int(max(1, settings.vectors.timeout_seconds)),
            prefer_grpc=False,
            check_compatibility=False,
        )
        store = cls(client, settings.qdrant.collection, settings.vectors, schema)
        await asked(store._ensure)
        return store

    async def upsert(self, points: Sequence[Point]) -> None:
        await asked(lambda: self._upsert(self._alias, points))

    async def delete(self, ids: Sequence[UUID]) -> None:
        await asked(lambda: self._delete(self._alias, ids))

    async def nearest(
        self,
        vector: Vector,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        min_score: float | None = None,
        with_vectors: bool = False,
    ) -> list[Hit]:
        found = await asked(
            lambda: self._client.query_points(
                self._alias,
                query=vector.tolist(),
                using=name,
                query_filter=_filter(where),
                search_params=self._params(),
                limit=limit,
                score_threshold=min_score,
                with_payload=False,
                with_vectors=[name] if with_vectors else False,
            )
        )
        return _hits(found, name)

    async def hybrid(
        self,
        vector: Vector,
        text: str,
        *,
        where: Where,
        limit: int,
        name: VectorName = "dense_384",
        with_vectors: bool = False,
    ) -> list[Hit]:
        words, wanted = lexical.query(text), _filter(where)
        prefetch = [models.Prefetch(query=vector.tolist(), using=name, filter=wanted, params=self._params(), limit=limit * PREFETCH)]
        if words.indices:
            sparse = models.SparseVector(indices=words.indices, values=words.values)
            prefetch.append(models.Prefetch(query=sparse, using=SPARSE, filter=wanted, limit=limit * PREFETCH))
        found = await asked(
            lambda: self._client.query_points(
                self._alias,
                prefetch=prefetch,
                query=models.RrfQuery(rrf=models.Rrf(k=RRF_K)),
                limit=limit,
                with_payload=False,
                with_vectors=[name] if with_vectors else False,
            )
        )
        return _hits(found, name)

    async def status(self) -> StoreStatus:
        """The server builds its graphs by itself: nothing is ever reported as unindexed."""
        info = await asked(lambda: self._client.get_collection(self._alias))
        return StoreStatus(info.points_count or 0, 0, {"engine": "server", "status": str(info.status)})

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator[ServerStaging]:
        name = f"{self._alias}-{uuid4().hex[:8]}"
        await asked(lambda: self._create(name))
        staging = ServerStaging(self, name)
        try:
            yield staging
        finally:
            if not staging.committed:
                await asked(lambda: self._client.delete_collection(name))

    async def close(self) -> None:
        await self._client.close()

    async def _ensure(self) -> None:
        """The alias and its first collection exist. Of two servers that start at once, one's alias wins and both use it."""
        if not await self._client.collection_exists(self._alias):
            name = f"{self._alias}-{uuid4().hex[:8]}"
            await self._create(name)
            await self._point_to(name)

    async def _create(self, name: str) -> None:
        await self._client.create_collection(
            name,
            vectors_config={key: models.VectorParams(size=size, distance=models.Distance.COSINE) for key, size in DIMS.items()},
            sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            hnsw_config=models.HnswConfigDiff(m=self._options.hnsw_m, ef_construct=self._options.hnsw_ef_construct),
            quantization_config=models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
            ),
        )
        kinds = (
            (self._schema.keywords, models.PayloadSchemaType.KEYWORD),
            (self._schema.floats, models.PayloadSchemaType.FLOAT),
            (self._schema.datetimes, models.PayloadSchemaType.DATETIME),
        )
        for fields, kind in kinds:
            for field in fields:
                await self._client.create_payload_index(name, field, kind)

    async def _point_to(self, name: str) -> None:
        """Switch the alias, atomically."""
        create = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=self._alias))
        await self._client.update_collection_aliases([create])

    async def _target(self) -> str | None:
        aliases = (await self._client.get_aliases()).aliases
        return next((each.collection_name for each in aliases if each.alias_name == self._alias), None)

    async def _upsert(self, collection: str, points: Sequence[Point]) -> None:
        for start in range(0, len(points), POINTS_A_REQUEST):
            structs = [_struct(point) for point in points[start : start + POINTS_A_REQUEST]]
            await self._client.upsert(collection, structs, wait=True)

    async def _delete(self, collection: str, ids: Sequence[UUID]) -> None:
        await self._client.delete(collection, models.PointIdsList(points=[str(each) for each in ids]), wait=True)

    def _params(self) -> models.SearchParams:
        quantization = models.QuantizationSearchParams(rescore=True, oversampling=self._options.oversampling)
        return models.SearchParams(hnsw_ef=self._options.ef, quantization=quantization)


class ServerStaging:
    """A new collection that no alias names yet."""

    def __init__(self, store: ServerStore, name: str) -> None:
        self._store = store
        self._name = name
        self.committed = False

    async def upsert(self, points: Sequence[Point]) -> None:
        await asked(lambda: self._store._upsert(self._name, points))  # noqa: SLF001 - two halves of one store

    async def delete(self, ids: Sequence[UUID]) -> None:
        await asked(lambda: self._store._delete(self._name, ids))  # noqa: SLF001

    async def optimize(self) -> None:
        """The server does so by itself."""

    async def commit(self) -> None:
        old = await asked(self._store._target)  # noqa: SLF001
        await asked(lambda: self._store._point_to(self._name))  # noqa: SLF001
        self.committed = True
        if old is not None:
            await asked(lambda: self._store._client.delete_collection(old))  # noqa: SLF001


async def asked(call: Callable[[], Awaitable[T]]) -> T:
    """The server's answer. VectorStoreUnavailable when it is away, slow or refuses."""
    try:
        return await call()
    except UnexpectedResponse as error:
        raise VectorStoreUnavailable(f"The Qdrant server refused ({error.status_code}): {error.reason_phrase}.") from error
    except (ApiException, OSError, TimeoutError) as error:
        raise VectorStoreUnavailable("The Qdrant server does not answer. Check CAIRN_QDRANT__URL and that it runs.") from error


def _filter(where: Where) -> models.Filter:
    return models.Filter(
        must=[
            models.FieldCondition(key=key, match=models.MatchAny(any=[value] if isinstance(value, str) else list(value)))
            for key, value in where.items()
        ]
    )


def _struct(point: Point) -> models.PointStruct:
    words = lexical.document(point.text)
    vectors: dict[str, models.Vector] = {str(name): vector.tolist() for name, vector in point.vectors.items()}
    vectors[SPARSE] = models.SparseVector(indices=words.indices, values=words.values)
    return models.PointStruct(id=str(point.id), vector=vectors, payload=dict(point.payload))


def _hits(found: models.QueryResponse, name: str) -> list[Hit]:
    hits = []
    for point in found.points:
        vector = point.vector.get(name) if isinstance(point.vector, dict) else None
        hits.append(Hit(UUID(str(point.id)), point.score, None if vector is None else np.asarray(vector, np.float32)))
    return hits
