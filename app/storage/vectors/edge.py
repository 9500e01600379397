"""The embedded vector store, over the socket of the engine's process, which `host.py` owns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import numpy as np

from app.errors import ConfigurationError, VectorStoreUnavailable
from app.settings import VectorsSettings as Options
from app.storage.vectors.bounds import check_points, check_search
from app.storage.vectors.connection import EngineConnection
from app.storage.vectors.frames import SparseParts, VectorQuery, WireHit, WirePeriod, WirePoint, WireStatus
from app.storage.vectors.host import EdgeStaging, EngineHost
from app.storage.vectors.lexical import SparseVector
from app.storage.vectors.recipe import DENSE, SPARSE
from app.storage.vectors.store import NOTHING, Hit, StoreStatus, Vector, VectorPoint, Where, Within

POINTS_A_FRAME = 32
"""About 3 ms of work on either side, so that no search waits longer."""


class EdgeStore:
    """The embedded `VectorStore`. Only the engine's owner (`host`) can rebuild the index."""

    def __init__(self, socket: Path, options: Options, host: EngineHost | None = None) -> None:
        self._engine = EngineConnection(socket, timeout_seconds=options.timeout_seconds)
        self._timeout = options.timeout_seconds
        self._host = host

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        self._check()
        await upsert_points(self._engine, points)

    async def delete(self, ids: Sequence[UUID]) -> None:
        self._check()
        await delete_points(self._engine, ids)

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
        return await self._search(
            VectorQuery(
                _packed(vector),
                DENSE,
                None,
                _lists(where),
                limit,
                min_score,
                with_vectors,
                within=_period(within),
                without=_lists(without),
            )
        )

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
        filtered = VectorQuery(
            None,
            SPARSE,
            _parts(terms),
            _lists(where),
            limit,
            None,
            False,
            within=_period(within),
            corpus=_corpus(corpus),
            without=_lists(without),
        )
        return await self._search(filtered)

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
        return await self._search(
            VectorQuery(
                _packed(vector),
                DENSE,
                _parts(terms),
                _lists(where),
                limit,
                None,
                False,
                within=_period(within),
                corpus=_corpus(corpus),
                without=_lists(without),
            )
        )

    async def status(self) -> StoreStatus:
        self._check()
        found = msgspec.msgpack.decode(await self._engine.call("status"), type=WireStatus)
        detail = {"engine": "embedded", "segments": found.segments, "generation": found.generation, "pid": found.pid, "ef": found.ef}
        return StoreStatus(found.points, found.unindexed, {name: str(value) for name, value in detail.items()}, unfilled=found.unfilled)

    @asynccontextmanager
    async def rebuild(self) -> AsyncIterator[EdgeStagingStore]:
        if self._host is None:
            raise ConfigurationError(
                "Only `cairn serve` owns the vector engine and can rebuild its index: `cairn index rebuild` asks it to."
            )
        async with self._host.staging() as staging:
            yield EdgeStagingStore(staging)

    @asynccontextmanager
    async def beside(self, place: str) -> AsyncIterator[EdgeSink]:
        engine = EngineConnection(Path(place), timeout_seconds=self._timeout)
        try:
            yield EdgeSink(engine)
        finally:
            await engine.close()

    async def close(self) -> None:
        await self._engine.close()

    def _check(self) -> None:
        """Fail at once, without waiting for the timeout, if there is known to be no engine."""
        if self._host is not None and self._host.unavailable_reason:
            raise VectorStoreUnavailable(self._host.unavailable_reason)

    async def _search(self, ask: VectorQuery) -> list[Hit]:
        self._check()
        hits = msgspec.msgpack.decode(await self._engine.call("search", ask), type=list[WireHit])
        return [Hit(UUID(hit.id), hit.score, None if hit.vector is None else np.frombuffer(hit.vector, "<f4")) for hit in hits]


class EdgeSink:
    """A `Sink` into an engine, which another process may have started."""

    def __init__(self, engine: EngineConnection) -> None:
        self._engine = engine

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        await upsert_points(self._engine, points)

    async def delete(self, ids: Sequence[UUID]) -> None:
        await delete_points(self._engine, ids)


class EdgeStagingStore(EdgeSink):
    """The `Staging` of the embedded store: the next generation in a process of its own, until it takes over."""

    def __init__(self, staging: EdgeStaging) -> None:
        super().__init__(staging.engine)
        self._staging = staging
        self.place = str(staging.place)

    async def optimize(self) -> None:
        await self._staging.optimize()

    async def commit(self) -> None:
        await self._staging.commit()


async def upsert_points(engine: EngineConnection, points: Sequence[VectorPoint]) -> None:
    check_points(points)
    for start in range(0, len(points), POINTS_A_FRAME):
        await engine.call("upsert", [_wire(point) for point in points[start : start + POINTS_A_FRAME]])


async def delete_points(engine: EngineConnection, ids: Sequence[UUID]) -> None:
    await engine.call("delete", [str(each) for each in ids])


def _period(within: Within | None) -> WirePeriod | None:
    return None if within is None else WirePeriod(within.field, _utc(within.since), _utc(within.until))


def _corpus(corpus: Where | None) -> dict[str, list[str]] | None:
    return None if corpus is None else _lists(corpus)


def _packed(vector: Vector) -> bytes:
    return vector.astype("<f4").tobytes()


def _wire(point: VectorPoint) -> WirePoint:
    vectors = {str(name): _packed(vector) for name, vector in point.vectors.items()}
    return WirePoint(str(point.id), vectors, _parts(point.terms), dict(point.payload))


def _parts(terms: SparseVector) -> SparseParts:
    return SparseParts(terms.indices, terms.values)


def _utc(at: datetime | None) -> str | None:
    """Format in UTC: RFC 3339 has no seconds in an offset, as historical local times do."""
    return None if at is None else at.astimezone(UTC).isoformat()


def _lists(where: Where) -> dict[str, list[str]]:
    return {key: [value] if isinstance(value, str) else list(value) for key, value in where.items()}
