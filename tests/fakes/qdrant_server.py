"""A small REST shim of ours over Qdrant's real engine: as much of the server's HTTP interface as our client store uses.

It is not Qdrant's server. What it proves: our requests are well-formed, name the right things, and our reading of the replies is
right. What only a real server can prove: that it takes them exactly so.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from app.storage.vectors.frames import ShardOptions, SparseParts, VectorQuery, WirePeriod, WirePoint
from app.storage.vectors.recipe import SPARSE, candidates
from app.storage.vectors.shard import Shard

T = TypeVar("T")


class QdrantServer:
    """What the tests may look at: `requests` (method and path of each, in order), `keys` (API keys that came).

    What they may do to it: `others` (names of collections that are not ours), `refuse` (answer everything with this status), `lose_answer_to` (do this request, answer 500, once).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, Shard] = {}
        self._aliases: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self.requests: list[str] = []
        self.keys: set[str] = set()
        self.others: list[str] = []
        self.refuse: int | None = None
        self.lose_answer_to: str | None = None

    @property
    def collections(self) -> list[str]:
        return [*self._shards, *self.others]

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """Requests for points wait for the end of this context."""
        async with self._one_at_a_time:
            yield

    def application(self) -> web.Application:
        made = web.Application(client_max_size=64 * 2**20, middlewares=[self._note])
        made.add_routes(
            [
                web.get("/collections", self.all),
                web.put("/collections/{name}", self.create),
                web.get("/collections/{name}", self.info),
                web.delete("/collections/{name}", self.drop),
                web.put("/collections/{name}/index", self.index),
                web.put("/collections/{name}/points", self.upsert),
                web.post("/collections/{name}/points/delete", self.delete),
                web.post("/collections/{name}/points/query", self.query),
                web.post("/collections/aliases", self.alias),
                web.get("/aliases", self.aliases),
            ]
        )
        return made

    async def all(self, request: web.Request) -> web.Response:
        return _ok({"collections": [{"name": name} for name in self.collections]})

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["sparse_vectors"][SPARSE]["modifier"] == "idf"
        assert body["quantization_config"]["scalar"]["type"] == "int8"
        assert all(each["distance"] == "Cosine" for each in body["vectors"].values())
        name, hnsw = request.match_info["name"], body["hnsw_config"]
        options = ShardOptions(
            dims={key: each["size"] for key, each in body["vectors"].items()},
            keywords=[],
            floats=[],
            datetimes=[],
            m=hnsw["m"],
            ef_construct=hnsw["ef_construct"],
            ef=128,
            oversampling=2.0,
        )
        self._shards[name] = await asyncio.to_thread(Shard, self._folder / name, options)
        return _ok(True)

    async def info(self, request: web.Request) -> web.Response:
        shard = self._shard(request)
        points = await self._within(shard.points)
        hnsw = {"m": 16, "ef_construct": 200, "full_scan_threshold": 1000}
        optimizer = {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        }
        config = {"params": {}, "hnsw_config": hnsw, "optimizer_config": optimizer}
        found = {"status": "green", "optimizer_status": "ok", "points_count": points, "segments_count": 1, "payload_schema": {}}
        return _ok({**found, "indexed_vectors_count": points, "config": config})

    async def drop(self, request: web.Request) -> web.Response:
        gone = self._shards.pop(request.match_info["name"])
        await self._within(gone.close)
        return _ok(True)

    async def index(self, request: web.Request) -> web.Response:
        body, shard = await request.json(), self._shard(request)
        await self._within(lambda: shard.index(body["field_name"], body["field_schema"]))
        return _ok(_done())

    async def upsert(self, request: web.Request) -> web.Response:
        assert request.query["wait"] == "true"
        points = []
        for point in (await request.json())["points"]:
            sparse = point["vector"].pop(SPARSE)
            vectors = {name: _packed(values) for name, values in point["vector"].items()}
            points.append(WirePoint(point["id"], vectors, SparseParts(sparse["indices"], sparse["values"]), point["payload"]))
        shard = self._shard(request)
        await self._within(lambda: shard.upsert(points))
        return _ok(_done())

    async def delete(self, request: web.Request) -> web.Response:
        assert request.query["wait"] == "true"
        ids, shard = (await request.json())["points"], self._shard(request)
        await self._within(lambda: shard.delete(ids))
        return _ok(_done())

    async def query(self, request: web.Request) -> web.Response:
        ask, shard = _ask(await request.json()), self._shard(request)
        points = []
        for hit in await self._within(lambda: shard.search(ask)):
            found: dict[str, Any] = {"id": hit.id, "version": 0, "score": hit.score}
            points.append(found | ({"vector": {ask.using: _unpacked(hit.vector)}} if hit.vector else {}))
        return _ok({"points": points})

    async def alias(self, request: web.Request) -> web.Response:
        after = dict(self._aliases)
        for action in (await request.json())["actions"]:
            match action:
                case {"create_alias": {"collection_name": name, "alias_name": alias}}:
                    assert name in self._shards
                    after[alias] = name
                case {"delete_alias": {"alias_name": alias}}:
                    del after[alias]
                case _:
                    raise web.HTTPBadRequest
        self._aliases = after
        return _ok(True)

    async def aliases(self, request: web.Request) -> web.Response:
        return _ok({"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in self._aliases.items()]})

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()

    @web.middleware
    async def _note(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        asked = f"{request.method} {request.path}"
        self.requests.append(asked)
        self.keys.add(request.headers.get("api-key", ""))
        if self.refuse is not None:
            return web.json_response({"status": {"error": "refused"}}, status=self.refuse)
        response: web.StreamResponse = await handler(request)
        if asked == self.lose_answer_to:
            self.lose_answer_to = None
            return web.json_response({"status": {"error": "lost"}}, status=500)
        return response

    async def _within(self, work: Callable[[], T]) -> T:
        """The engine is synchronous: in a thread, and one call at a time."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(work)

    def _shard(self, request: web.Request) -> Shard:
        name = request.match_info["name"]
        found = self._shards.get(self._aliases.get(name, name))
        if found is None:
            raise web.HTTPNotFound(text='{"status": {"error": "not found"}}', content_type="application/json")
        return found


@asynccontextmanager
async def qdrant_server(folder: Path) -> AsyncIterator[tuple[str, QdrantServer]]:
    """The shim on a free port of the loopback, and its URL."""
    server = QdrantServer(folder)
    runner = web.AppRunner(server.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", server
    finally:
        await runner.cleanup()
        await asyncio.to_thread(server.close)


def _ask(body: dict[str, Any]) -> VectorQuery:
    """A query as the server reads it: the dense side first, the sparse one second, fused by RRF; or one of them alone."""
    prefetch = body.get("prefetch") or []
    first = prefetch[0] if prefetch else body
    asked: Any = _nearest(first["query"])
    sparse, rarity = None, None
    if prefetch:
        assert body["query"] == {"rrf": {"k": 60}}
        assert all(each["filter"] == first["filter"] for each in prefetch)
        assert all(each["limit"] == candidates(body["limit"]) for each in prefetch)
        words = _nearest(prefetch[1]["query"]) if len(prefetch) > 1 else {"indices": [], "values": []}
        sparse = SparseParts(words["indices"], words["values"])
        rarity = prefetch[1].get("params") if len(prefetch) > 1 else None
    elif first["using"] == SPARSE:
        asked, sparse, rarity = None, SparseParts(asked["indices"], asked["values"]), body.get("params")
    must = first["filter"].get("must") or []
    without = _matches(first["filter"].get("must_not") or [])
    if asked is not None:  # its graph has links among the points of one value only
        several = len(_matches(must)) > 2 or any(len(values) > 1 for values in _matches(must).values())
        assert (several or bool(without)) == ("acorn" in first["params"])
    return VectorQuery(
        vector=None if asked is None else _packed(asked),
        using=first["using"],
        sparse=sparse,
        where=_matches(must),
        limit=body["limit"],
        min_score=body.get("score_threshold"),
        with_vectors=bool(body.get("with_vector")),
        within=next((_period(each) for each in must if "range" in each), None),
        corpus=_matches(rarity["idf"]["corpus"].get("must") or []) if rarity else None,
        without=without,
    )


def _matches(conditions: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {each["key"]: each["match"]["any"] for each in conditions if "match" in each}


def _period(condition: dict[str, Any]) -> WirePeriod:
    """Half-open, as our store asks: from its beginning on, before its end."""
    assert set(condition["range"]) <= {"gte", "lt"}
    return WirePeriod(condition["key"], condition["range"].get("gte"), condition["range"].get("lt"))


def _nearest(query: Any) -> Any:
    """A vector as such, or wrapped as {"nearest": …}: both are the server's."""
    return query["nearest"] if isinstance(query, dict) and "nearest" in query else query


def _ok(result: Any) -> web.Response:
    return web.json_response({"result": result, "status": "ok", "time": 0.0})


def _done() -> dict[str, Any]:
    return {"operation_id": 1, "status": "completed"}


def _packed(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _unpacked(data: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(data) // 4}f", data))
