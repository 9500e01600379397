"""An embedder around an embedder: a text that was embedded before is not embedded again; a question's tokens neither."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from time import monotonic

import cachebox
import numpy as np

from app.cache.memory import Memory
from app.embeddings.embedder import Encoded, Floats, Packed, TokenEmbedder
from app.telemetry import metrics

VECTOR_BYTES, UNIT_SLACK = 384 * 4, 0.05
REMEMBERED, AGAIN_SECONDS = 2, 3600.0
"""So many times the cache's entries; asked again within the hour."""
MAX_QUESTIONS, MAX_QUESTION_TOKENS = 256, 64
"""Whose token vectors are kept, and how many of each: 35 kB for 20 tokens, 110 kB at most; 28 MB for all at most."""


def is_vector(key: bytes, value: bytes) -> bool:
    """Tell whether a kept value is a vector of unit length, as every one of the model's is."""
    del key
    if len(value) != VECTOR_BYTES:
        return False
    vector = np.frombuffer(value, np.float32)
    return bool(np.isfinite(vector).all()) and abs(float(vector @ vector) - 1) < UNIT_SLACK


class CachedEmbedder:
    """By a hash of model and content: 384 floats an entry, 1.5 kB.

    Of twice as many it is known when they were last asked: what would a cache of twice the size have spared?
    The tokens of the last MAX_QUESTIONS questions are kept beside them, each as long as its vector is.
    `away`: says why no text can be embedded now; None where it can.
    """

    def __init__(self, inner: TokenEmbedder, memory: Memory, *, ttl_seconds: float, away: Callable[[], str | None] = lambda: None) -> None:
        self._inner = inner
        self._memory = memory
        self._ttl = ttl_seconds
        self._away = away
        self.model = inner.model
        self._asked: cachebox.LRUCache[bytes, float] = cachebox.LRUCache(REMEMBERED * memory.entries)
        self._questions: cachebox.LRUCache[bytes, Encoded] = cachebox.LRUCache(MAX_QUESTIONS)

    async def embed(self, texts: Sequence[str]) -> Floats:
        keys = [self._key(text) for text in texts]
        found = {key: np.frombuffer(kept, np.float32) for key in dict.fromkeys(keys) if (kept := self._memory.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        self._count(keys, missing)
        if missing:
            for key, vector in zip(missing, await self._inner.embed(list(missing.values())), strict=True):
                found[key] = vector
                self._memory.set(key, vector.astype(np.float32).tobytes(), self._ttl)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, 384), dtype=np.float32)

    async def encode(self, question: str) -> Encoded:
        """A question's vector and those of its first MAX_QUESTION_TOKENS tokens, by one run; kept, so its arrays are read-only."""
        key = self._key(question)
        vector = self._memory.get(key)
        kept = None if vector is None else self._questions.get(key)
        if kept is not None:
            self._count([key], ())
            return kept
        if vector is None:
            self._count([key], [key])
        else:  # the room for questions was too small, not this cache
            metrics.looked_up(hits=0, misses=1, evicted=0)
        (encoded,) = await self._inner.embed_tokens([question])
        made = _shortened(encoded)
        self._questions[key] = made
        self._memory.set(key, made.vector.tobytes(), self._ttl)
        return made

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """Texts' vectors and those of all their tokens, in the order of the texts. Nothing is kept.

        The answer takes 1.5 kB a token, up to 25 MB for 64 texts: for no more than so many. Passages: `embed_packed`.
        """
        return await self._inner.embed_tokens(texts)

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Passages' vectors and packed token vectors, in the order of the texts. Nothing is kept here: a passage is embedded once.

        Any number of texts, the more at once the better: of 512 those of one length run together, and a run's token vectors are packed
        and dropped before the next one. A question goes between two runs.
        """
        return await self._inner.embed_packed(texts)

    @property
    def away(self) -> str | None:
        return self._away()

    @property
    def inner(self) -> TokenEmbedder:
        return self._inner

    def around(self, inner: TokenEmbedder) -> CachedEmbedder:
        """The same cache around another embedder of the same model."""
        return CachedEmbedder(inner, self._memory, ttl_seconds=self._ttl, away=self._away)

    def knows(self, text: str) -> bool:
        """Tell whether `encode` has this question at hand: no model would be run for it."""
        key = self._key(text)
        return key in self._questions and key in self._memory

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.model}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _count(self, keys: Sequence[bytes], missing: Collection[bytes]) -> None:
        now = monotonic()
        evicted = sum(self._asked.get(key, -AGAIN_SECONDS) > now - AGAIN_SECONDS for key in missing)
        for key in keys:
            self._asked[key] = now
        metrics.looked_up(hits=len(keys) - len(missing), misses=len(missing), evicted=evicted)


def _shortened(encoded: Encoded) -> Encoded:
    """Copy the part of a question's vectors that is kept: a view would hold the memory of the whole run."""
    few = slice(MAX_QUESTION_TOKENS)
    vector, tokens = encoded.vector.astype(np.float32, copy=True), encoded.tokens[few].astype(np.float32, copy=True)
    vector.flags.writeable = tokens.flags.writeable = False
    return Encoded(vector, encoded.pieces[few], encoded.offsets[few], tokens)
