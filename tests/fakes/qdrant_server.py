"""A small REST shim of ours over Qdrant's real engine: as much of the server's HTTP interface as our client store uses.

It is not Qdrant's server. What it proves: our requests are well-formed, name the right things, and our reading of the replies is
right. What only a real server can prove: that it takes them exactly so.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from app.storage.vectors.frames import Ask, ShardOptions, SparseParts, WirePoint
from app.storage.vectors.shard import SPARSE, Shard


class QdrantServer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, Shard] = {}
        self._aliases: dict[str, str] = {}

    def application(self) -> web.Application:
        made = web.Application(client_max_size=64 * 2**20)
        made.add_routes(
            [
                web.get("/collections/{name}/exists", self.exists),
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

    async def exists(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return _ok({"exists": name in self._shards or name in self._aliases})

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["sparse_vectors"][SPARSE]["modifier"] == "idf"
        assert body["quantization_config"]["scalar"]["type"] == "int8"
        assert all(each["distance"] == "Cosine" for each in body["vectors"].values())
        name, hnsw = request.match_info["name"], body["hnsw_config"]
        options = ShardOptions(
            dims={key: each["size"] for key, each in body["vectors"].items()},
            keywords=["team", "type"], floats=[], datetimes=[], m=hnsw["m"], ef_construct=hnsw["ef_construct"], ef=128, oversampling=2.0,
        )  # fmt: skip
        self._shards[name] = Shard(self._folder / name, options)
        return _ok(True)

    async def info(self, request: web.Request) -> web.Response:
        shard = self._shard(request)
        return _ok(
            {
                "status": "green", "optimizer_status": "ok", "points_count": shard.points(), "segments_count": shard.segments(),
                "payload_schema": {},
                "config": {
                    "params": {}, "hnsw_config": {"m": 16, "ef_construct": 200, "full_scan_threshold": 1000},
                    "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0, "flush_interval_sec": 5},
                },
            }
        )  # fmt: skip

    async def drop(self, request: web.Request) -> web.Response:
        self._shards.pop(request.match_info["name"]).close()
        return _ok(True)

    async def index(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["field_schema"] in {"keyword", "float", "datetime"}
        self._shard(request)
        return _ok(_done())

    async def upsert(self, request: web.Request) -> web.Response:
        points = []
        for point in (await request.json())["points"]:
            sparse = point["vector"].pop(SPARSE)
            vectors = {name: _packed(values) for name, values in point["vector"].items()}
            points.append(WirePoint(point["id"], vectors, SparseParts(sparse["indices"], sparse["values"]), point["payload"]))
        self._shard(request).upsert(points)
        return _ok(_done())

    async def delete(self, request: web.Request) -> web.Response:
        self._shard(request).delete((await request.json())["points"])
        return _ok(_done())

    async def query(self, request: web.Request) -> web.Response:
        body = await request.json()
        first = body["prefetch"][0] if body.get("prefetch") else body
        if body.get("prefetch"):
            assert body["query"] == {"rrf": {"k": 60}}
        sparse = _nearest(body["prefetch"][1]["query"]) if len(body.get("prefetch") or []) > 1 else None
        ask = Ask(
            vector=_packed(_nearest(first["query"])),
            using=first["using"],
            sparse=SparseParts(sparse["indices"], sparse["values"]) if sparse else (SparseParts([], []) if body.get("prefetch") else None),
            where={each["key"]: each["match"]["any"] for each in first["filter"]["must"]},
            limit=body["limit"],
            min_score=body.get("score_threshold"),
            with_vectors=bool(body.get("with_vector")),
        )
        hits = self._shard(request).search(ask)
        points = [
            {"id": hit.id, "version": 0, "score": hit.score} | ({"vector": {ask.using: _unpacked(hit.vector)}} if hit.vector else {})
            for hit in hits
        ]
        return _ok({"points": points})

    async def alias(self, request: web.Request) -> web.Response:
        for action in (await request.json())["actions"]:
            made = action["create_alias"]
            assert made["collection_name"] in self._shards
            self._aliases[made["alias_name"]] = made["collection_name"]
        return _ok(True)

    async def aliases(self, request: web.Request) -> web.Response:
        return _ok({"aliases": [{"alias_name": alias, "collection_name": name} for alias, name in self._aliases.items()]})

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()

    def _shard(self, request: web.Request) -> Shard:
        name = request.match_info["name"]
        found = self._shards.get(self._aliases.get(name, name))
        if found is None:
            raise web.HTTPNotFound(text='{"status": {"error": "not found"}}', content_type="application/json")
        return found


@asynccontextmanager
async def qdrant_server(folder: Path) -> AsyncIterator[str]:
    """The shim on a free port of the loopback; yields its URL."""
    server = QdrantServer(folder)
    runner = web.AppRunner(server.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
        server.close()


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
