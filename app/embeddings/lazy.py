"""Wrapper of an embedder whose model may not be loaded yet: a failed load is retried in the background, with exponential backoff.

Without a model Cairn runs, searches by words only, and says so (fail-open). Knows no runtime.
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
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 10.0, 600.0
"""Bounds of the backoff: an export takes two cores for up to half a minute."""

Load = Callable[[], Awaitable[TokenEmbedder]]
T = TypeVar("T")


class LazyEmbedder:
    """An embedder whose model is loaded by `load`. `unavailable_reason`: why there is no model yet; None once there is."""

    def __init__(self, load: Load, *, model: str) -> None:
        self.model = model
        self.unavailable_reason: str | None = "the model is not loaded yet"
        self._load = load
        self._inner: TokenEmbedder | None = None

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Embed. Raises Unavailable while there is no model, and for any error of the runtime: callers can degrade."""
        return await self._guarded(lambda inner: inner.embed(texts))

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        return await self._guarded(lambda inner: inner.embed_tokens(texts))

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        return await self._guarded(lambda inner: inner.embed_packed(texts))

    async def _guarded(self, ask: Callable[[TokenEmbedder], Awaitable[T]]) -> T:
        if self._inner is None:
            raise Unavailable(
                f"No text can be embedded: {self.unavailable_reason}. Loading is retried automatically; try again later.",
                code=CODE,
                retry_after=FIRST_RETRY_SECONDS,
            )
        try:
            return await ask(self._inner)
        except CairnError:
            raise
        except Exception as error:
            log.exception("embeddings.failed")
            raise Unavailable("The embedding model failed. Try again; the server's log says why (embeddings.failed).", code=CODE) from error

    async def load(self) -> bool:
        """Try to load once; return True if there is a model now."""
        try:
            self._inner = await self._load()
        except CairnError as error:
            self._failed(error.message)
        except TimeoutError:
            self._failed("the export took too long")
        except OSError as error:
            self._failed(f"{error.strerror or error}: check the disk of the data folder")
        except Exception as error:
            log.exception("embeddings.not_loaded")
            self._failed(f"the model can't be loaded ({type(error).__name__}): the server's log says why")
        else:
            self.unavailable_reason = None
        return self._inner is not None

    async def run(self) -> None:
        """Retry until the model is loaded. A background task, owned by the caller."""
        pause = FIRST_RETRY_SECONDS
        while self._inner is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_RETRY_SECONDS)
            if await self.load():
                log.info("embeddings.back", model=self.model)

    def _failed(self, why: str) -> None:
        self.unavailable_reason = why.rstrip(".")
        log.error("embeddings.away", reason=self.unavailable_reason, retry_first_seconds=FIRST_RETRY_SECONDS)
