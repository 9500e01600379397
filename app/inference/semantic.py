"""Semantic cache: find a cached prompt that asks the same in other words. Off by default. Holds no answers, only their keys.

A cosine proposes, then guards reject: those of deduplication and stricter ones, since here nobody sees both texts.
"""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.embeddings import Embedder
from app.errors import CairnError
from app.inference import cached_answer as answers
from app.inference.request import CallContext, ChatRequest
from app.likeness import differing
from app.settings import SemanticCacheSettings

MAX_SEEN_CHARS = 254
"""Characters without spaces. The model reads 256 tokens: the end of a longer text would be ignored."""
MAX_CHARS = 512
MAX_CANDIDATES = 3
"""Nearest neighbours that are checked."""
MAX_PENDING = 32
"""Bound of prompts waiting to be embedded; beyond it, prompts are not added."""
_WORD = re.compile(r"[A-Za-z0-9]+")
_HOW = re.compile(r"^\W*(?:please[ ,]+)?how (?:(?:do|can|could) (?:i|we)|to)\b", re.IGNORECASE)
_SHORT = ((re.compile(r"n['’]t\b", re.IGNORECASE), " not"), (re.compile(r"['’](?:s|re)\b"), " is"), (re.compile(r"['’]ve\b"), " have"))
_ALIKE = {"a": "the", "an": "the", "my": "the", "our": "the", "are": "is", "does": "do", "could": "can"}
"""Interchangeable words. None may be added or missing: `convert to JSON` is not `convert JSON`."""
_PLAIN = frozenset(" \t\r\n.,;:!?'\"()-`*")
"""Characters, besides letters and digits, that may differ between two wordings."""


@dataclass(frozen=True, slots=True)
class CacheQuestion:
    """The text that may differ, and a digest of all that must not: team, providers, earlier messages, every parameter."""

    text: str
    partition: bytes


@dataclass(frozen=True, slots=True)
class SemanticEntry:
    """A remembered prompt. `slot`: its row in the matrix; `ends`: its expiry, by the cache's clock."""

    key: bytes
    """Key of the answer in the exact tiers."""
    question: CacheQuestion
    slot: int
    ends: float


@dataclass(slots=True)
class SemanticCounts:
    """Counters of the semantic cache, for metrics."""

    hits: int = 0
    misses: int = 0
    guarded: int = 0
    """Similar enough, but rejected by a guard."""
    errors: int = 0
    evictions: int = 0


def question_of(request: ChatRequest, asker: CallContext) -> CacheQuestion | None:
    """Return a request's question; None if it doesn't end with a short user message."""
    last = request.messages[-1]
    text = last.get("content")
    if last.get("role") != "user" or not isinstance(text, str) or not text.strip() or len(text) > MAX_CHARS:
        return None
    if len("".join(text.split())) > MAX_SEEN_CHARS:
        return None
    rest = replace(request, messages=[*request.messages[:-1], {**last, "content": ""}])
    return CacheQuestion(text, answers.key_of(rest, asker))


def objections(one: str, other: str) -> tuple[str, ...]:
    """Return why the answer of one must not serve the other, such as `number: 3 ≠ 5`; empty if nothing does.

    Cheap, strict checks first (the same words in the same order, up to interchangeable ones), then the guards of deduplication.
    """
    if _unmodelled(one) != _unmodelled(other):
        return ("characters",)
    if _words(one) != _words(other):
        return ("words",)
    return differing(one, other)


class Semantic:
    """LRU index of up to `entries` prompts, each until its answer expires. About 2.5 kB per prompt."""

    def __init__(self, embedder: Embedder, options: SemanticCacheSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self.counts = SemanticCounts()
        self._embedder = embedder
        self._options = options
        self._now = now
        self._vectors: NDArray[np.float32] = np.zeros((options.entries, 384), dtype=np.float32)
        self._entries: OrderedDict[bytes, SemanticEntry] = OrderedDict()
        self._partitions: dict[bytes, dict[int, SemanticEntry]] = {}
        self._free = list(range(options.entries - 1, -1, -1))
        self._remembering = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        return self._vectors.nbytes + sum(1000 + len(each.question.text) for each in self._entries.values())

    async def near(self, question: CacheQuestion) -> list[tuple[bytes, float]]:
        """Return keys of answers that may serve a question, with cosines, the most similar first; empty on a timeout.

        Embeds nothing if its partition is empty.
        """
        if question.partition not in self._partitions:
            return []
        vector = await self._embedded(question.text)
        return [] if vector is None else self._alike(question, vector)

    async def remember(self, question: CacheQuestion, key: bytes, ttl_seconds: float) -> None:
        """Remember a prompt, with the key of its answer."""
        if self._remembering >= MAX_PENDING:
            return
        ends = self._now() + ttl_seconds
        self._remembering += 1
        try:
            vector = await self._embedded(question.text, patient=True)
        finally:
            self._remembering -= 1
        if vector is not None:
            self._put(question, key, vector, ends)

    def used(self, key: bytes) -> None:
        """Count a hit and move the entry to the fresh end of the LRU."""
        self.counts.hits += 1
        if key in self._entries:
            self._entries.move_to_end(key)

    def forget(self, key: bytes) -> None:
        """Drop an entry whose answer is gone."""
        if (entry := self._entries.pop(key, None)) is None:
            return
        partition = self._partitions[entry.question.partition]
        del partition[entry.slot]
        if not partition:
            del self._partitions[entry.question.partition]
        self._free.append(entry.slot)

    def _put(self, question: CacheQuestion, key: bytes, vector: NDArray[np.float32], ends: float) -> None:
        self.forget(key)
        if not self._free:
            self.forget(next(iter(self._entries)))
            self.counts.evictions += 1
        entry = SemanticEntry(key, question, self._free.pop(), ends)
        self._vectors[entry.slot] = vector
        self._entries[key] = entry
        self._partitions.setdefault(question.partition, {})[entry.slot] = entry

    def _alike(self, question: CacheQuestion, vector: NDArray[np.float32]) -> list[tuple[bytes, float]]:
        partition = self._partitions.get(question.partition, {})
        slots = np.fromiter(partition, dtype=np.intp, count=len(partition))
        # The whole matrix: cheaper than copying rows. Not `@`: BLAS takes every core, and 14 ms if they are busy (einsum: 0.06 ms).
        cosines = np.einsum("ij,j->i", self._vectors, vector)[slots]
        best = np.argsort(-cosines)[:MAX_CANDIDATES]
        near = [(partition[int(slots[place])], float(cosines[place])) for place in best if cosines[place] >= self._options.threshold]
        found = []
        for entry, cosine in near:
            if entry.ends <= self._now():
                self.forget(entry.key)
            elif objections(question.text, entry.question.text):
                self.counts.guarded += 1
            else:
                found.append((entry.key, cosine))
        return found

    async def _embedded(self, text: str, *, patient: bool = False) -> NDArray[np.float32] | None:
        """Embed a text; None on a timeout or error: the cache must never delay a request."""
        try:
            async with asyncio.timeout(None if patient else self._options.timeout_seconds):
                vectors = await self._embedder.embed([text])
        except (TimeoutError, CairnError):
            self.counts.errors += 1
            return None
        return np.asarray(vectors[0], dtype=np.float32)


def _unmodelled(text: str) -> list[str]:
    """Return the characters that the model reads badly or not at all (symbols, other scripts): they must be equal, in order."""
    return [each for each in unicodedata.normalize("NFKC", text) if not (_ordinary(each) if each.isascii() else _spacing(each))]


def _ordinary(character: str) -> bool:
    return character.isalnum() or character in _PLAIN


def _spacing(character: str) -> bool:
    """Tell whether a non-ASCII character is a space or punctuation (typographic quotes, dashes)."""
    return unicodedata.category(character)[0] in "ZP"


def _words(text: str) -> list[str]:
    """Return normalized words: `How to …`, `How do I …` and `How can I …` are equal; words in capitals stay: `IT` is not `it`."""
    plain = _HOW.sub("how", text)
    for short, long in _SHORT:
        plain = short.sub(long, plain)
    words = [word if len(word) > 1 and word.isupper() else word.casefold() for word in _WORD.findall(plain)]
    return [_ALIKE.get(word, word) for word in words]
