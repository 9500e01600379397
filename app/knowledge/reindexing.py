"""Decides when the index is rebuilt by itself: it lacks points, or too many of them are in no graph."""

from __future__ import annotations

import structlog

from app.errors import CairnError, Conflict
from app.knowledge.index import Index
from app.part import Loop
from app.settings import VectorsSettings
from app.storage.vectors.store import VectorStore

log = structlog.get_logger()

PAUSE_SECONDS, AWAY_SECONDS = 30.0, 5.0
"""The shorter one once the engine was away: it may come back without its index."""
MAX_WITHOUT_GRAPH = 20_000
"""Points, however many there are in all: by brute force, so many cost a search 2.8 ms."""


class Reindexing:
    """Watches the index; one in each server. Of servers that start a rebuild at the same time, one does it."""

    def __init__(self, index: Index, vectors: VectorStore, options: VectorsSettings) -> None:
        self._index = index
        self._vectors = vectors
        self._options = options
        self._away = ""

    def loops(self) -> tuple[Loop, ...]:
        """Return the periodic check of the index."""
        return (
            Loop(
                name="knowledge.reindexing",
                step=self.rebuild_if_needed,
                pause=lambda: AWAY_SECONDS if self._away else PAUSE_SECONDS,
                meanwhile="The vector index is not rebuilt: searches are slower, or by words only.",
            ),
        )

    async def rebuild_if_needed(self) -> None:
        """Rebuild the index when it lacks items, or once enough of its points are searched by brute force, without an HNSW graph."""
        try:
            status = await self._vectors.status()
        except Exception as error:  # noqa: BLE001 - whatever it is, the index is away; `/readyz` says so under `vectors`
            why = str(error) or type(error).__name__
            if self._away != why:  # logged once, not at every check
                log.warning("index.away", reason=why)
            self._away = why
            return
        self._away = ""
        most = max(self._options.reindex_after, min(self._options.reindex_share * status.points, MAX_WITHOUT_GRAPH))
        try:
            if not await self._index.check() or status.unindexed >= most:
                await self._index.rebuild()
        except Conflict:
            log.debug("reindex.elsewhere")  # another server rebuilds it, or somebody who asked for it: all have one index
        except CairnError as error:
            log.warning("reindex.failed", code=error.code, reason=error.message)
            raise
