"""An embedder around an embedder that may not be there yet: what can't be loaded is tried again behind the answers.

Fail-open: without a model Cairn runs, searches by words, and says so. Knows no runtime.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from app.embeddings.embedder import Encoded, Floats, Packed, TokenEmbedder
from app.errors import CairnError, Unavailable

log = structlog.get_logger()

CODE = "embeddings_unavailable"
FIRST_RETRY, MAX_RETRY = 10.0, 600.0
"""Seconds between attempts, doubled each time: an export takes two cores for up to half a minute."""

Load = Callable[[], Awaitable[TokenEmbedder]]
T = TypeVar("T")


class LateEmbedder:
    """`away`: why there is no model, in words; None once there is one."""

    def __init__(self, load: Load, *, model: str) -> None:
        self.model = model
        self.away: str | None = "it is not loaded yet"
        self._load = load
        self._inner: TokenEmbedder | None = None

    async def embed(self, texts: Sequence[str]) -> Floats:
        """As the inner one. Unavailable while there is none, and for whatever a runtime throws: who asks can do without."""
        return await self._guarded(lambda inner: inner.embed(texts))

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """As the inner one; Unavailable as `embed`."""
        return await self._guarded(lambda inner: inner.embed_tokens(texts))

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """As the inner one; Unavailable as `embed`."""
        return await self._guarded(lambda inner: inner.embed_packed(texts))

    async def _guarded(self, ask: Callable[[TokenEmbedder], Awaitable[T]]) -> T:
        if self._inner is None:
            raise Unavailable(f"There are no embeddings: {self.away}. It is tried again by itself.", code=CODE, retry_after=FIRST_RETRY)
        try:
            return await ask(self._inner)
        except CairnError:
            raise
        except Exception as error:
            log.exception("embeddings.failed")
            raise Unavailable("The embedding model failed: the server's log says why.", code=CODE) from error

    async def load(self) -> bool:
        """Try once. Returns whether there is a model now."""
        try:
            self._inner = await self._load()
        except CairnError as error:
            self._failed(error.message)
        except TimeoutError:
            self._failed("the export took too long")
        except OSError as error:
            self._failed(f"{error.strerror or error}: look at the disk of the data folder")
        except Exception as error:
            log.exception("embeddings.not_loaded")
            self._failed(f"the model can't be loaded ({type(error).__name__}): the server's log says why")
        else:
            self.away = None
        return self._inner is not None

    async def run(self) -> None:
        """Try until there is a model. The caller owns the task."""
        pause = FIRST_RETRY
        while self._inner is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_RETRY)
            if await self.load():
                log.info("embeddings.back", model=self.model)

    def _failed(self, why: str) -> None:
        self.away = why.rstrip(".")
        log.error("embeddings.away", reason=self.away, retry_first_seconds=FIRST_RETRY)
