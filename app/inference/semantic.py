"""Prompts whose answers are kept, by meaning: which of them asks the same in other words? Off unless an operator turns it on.

A cosine says "alike", then guards object: those of dedup, and stricter ones, since here nobody sees both texts. Holds no answers.
"""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.embeddings import Embedder
from app.errors import CairnError
from app.inference import stored as answers
from app.inference.chain import Candidate
from app.inference.request import Asker, ChatRequest
from app.likeness import differing
from app.settings import SemanticCache

MOST_SEEN_CHARS = 254
"""Beside spaces. The model reads 256 tokens: the end of a longer text could say anything."""
MOST_CHARS = 512
MOST_CANDIDATES = 3
"""So many of the nearest are looked at."""
MOST_REMEMBERING = 32
"""Prompts that wait to be embedded; more are not remembered."""
_WORD = re.compile(r"[A-Za-z0-9]+")
_HOW = re.compile(r"^\W*(?:please[ ,]+)?how (?:(?:do|can|could) (?:i|we)|to)\b", re.IGNORECASE)
_SHORT = ((re.compile(r"n['’]t\b", re.IGNORECASE), " not"), (re.compile(r"['’](?:s|re)\b"), " is"), (re.compile(r"['’]ve\b"), " have"))
_ALIKE = {"a": "the", "an": "the", "my": "the", "our": "the", "are": "is", "does": "do", "could": "can"}
"""Words that may stand for each other. None may come or go: `convert to JSON` is not `convert JSON`."""
_PLAIN = frozenset(" \t\r\n.,;:!?'\"()-`*")
"""What may differ between two wordings of one question, beside letters and digits."""


@dataclass(frozen=True, slots=True)
class Question:
    """What alone may differ, and a digest of all that must not: the team, who answers, what came before, every parameter."""

    text: str
    partition: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    key: bytes
    """Of the exact tiers, which hold the answer."""
    question: Question
    slot: int
    ends: float


@dataclass(slots=True)
class Counts:
    hits: int = 0
    misses: int = 0
    guarded: int = 0
    """Alike enough, but the guards objected."""
    errors: int = 0
    evictions: int = 0


def question_of(request: ChatRequest, asker: Asker, candidates: Sequence[Candidate]) -> Question | None:
    """None: it doesn't end with a short text of the user."""
    last = request.messages[-1]
    text = last.get("content")
    if last.get("role") != "user" or not isinstance(text, str) or not text.strip() or len(text) > MOST_CHARS:
        return None
    if len("".join(text.split())) > MOST_SEEN_CHARS:
        return None
    rest = replace(request, messages=[*request.messages[:-1], {**last, "content": ""}])
    return Question(text, answers.key_of(rest, asker, candidates))


def objections(one: str, other: str) -> tuple[str, ...]:
    """Why the one's answer must not be given for the other, such as `number: 3 ≠ 5`. Empty: nothing speaks against it.

    What dedup asks, and before it what costs less and lets less through: the same words in the same order, but for a few that are alike.
    """
    if _unread(one) != _unread(other):
        return ("characters",)
    if _words(one) != _words(other):
        return ("words",)
    return differing(one, other)


class Semantic:
    """The newest `entries` prompts, each until its answer's end; the one that wasn't wanted for longest goes first. About 2.5 kB each."""

    def __init__(self, embedder: Embedder, options: SemanticCache, *, now: Callable[[], float] = time.monotonic) -> None:
        self.counts = Counts()
        self._embedder = embedder
        self._options = options
        self._now = now
        self._vectors: NDArray[np.float32] = np.zeros((options.entries, 384), dtype=np.float32)
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._partitions: dict[bytes, dict[int, Entry]] = {}
        self._free = list(range(options.entries - 1, -1, -1))
        self._remembering = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return self._vectors.nbytes + sum(1000 + len(each.question.text) for each in self._entries.values())

    async def near(self, question: Question) -> list[tuple[bytes, float]]:
        """Keys of answers that may be given for it, the most alike first, each with its cosine. Empty also when that can't be told in time.

        Where nothing is remembered that it could be like, it costs nothing.
        """
        if question.partition not in self._partitions:
            return []
        vector = await self._embedded(question.text)
        return [] if vector is None else self._alike(question, vector)

    async def remember(self, question: Question, key: bytes, ttl_seconds: float) -> None:
        """From now on this prompt's answer is `key`'s."""
        if self._remembering >= MOST_REMEMBERING:
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
        """Its answer was given."""
        self.counts.hits += 1
        if key in self._entries:
            self._entries.move_to_end(key)

    def forget(self, key: bytes) -> None:
        """Its answer is gone."""
        if (entry := self._entries.pop(key, None)) is None:
            return
        of_its_kind = self._partitions[entry.question.partition]
        del of_its_kind[entry.slot]
        if not of_its_kind:
            del self._partitions[entry.question.partition]
        self._free.append(entry.slot)

    def _put(self, question: Question, key: bytes, vector: NDArray[np.float32], ends: float) -> None:
        self.forget(key)
        if not self._free:
            self.forget(next(iter(self._entries)))
            self.counts.evictions += 1
        entry = Entry(key, question, self._free.pop(), ends)
        self._vectors[entry.slot] = vector
        self._entries[key] = entry
        self._partitions.setdefault(question.partition, {})[entry.slot] = entry

    def _alike(self, question: Question, vector: NDArray[np.float32]) -> list[tuple[bytes, float]]:
        kind = self._partitions.get(question.partition, {})
        slots = np.fromiter(kind, dtype=np.intp, count=len(kind))
        # All of them: cheaper than to copy a part. Not `@`: BLAS takes every core for this, and 14 ms where they are busy (einsum 0.06).
        cosines = np.einsum("ij,j->i", self._vectors, vector)[slots]
        best = np.argsort(-cosines)[:MOST_CANDIDATES]
        near = [(kind[int(slots[place])], float(cosines[place])) for place in best if cosines[place] >= self._options.threshold]
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
        """None when it takes too long: a cache is never in the way."""
        try:
            async with asyncio.timeout(None if patient else self._options.timeout_seconds):
                vectors = await self._embedder.embed([text])
        except (TimeoutError, CairnError):
            self.counts.errors += 1
            return None
        return np.asarray(vectors[0], dtype=np.float32)


def _unread(text: str) -> list[str]:
    """Characters that the model knows badly or not at all: signs, and letters of other scripts. They have to be the same, in order."""
    return [each for each in unicodedata.normalize("NFKC", text) if not (_ordinary(each) if each.isascii() else _spacing(each))]


def _ordinary(character: str) -> bool:
    return character.isalnum() or character in _PLAIN


def _spacing(character: str) -> bool:
    """Blanks, and the quotation marks and dashes of print."""
    return unicodedata.category(character)[0] in "ZP"


def _words(text: str) -> list[str]:
    """`How to …`, `How do I …` and `How can I …` begin alike; a word in capitals is another one: `IT` is not `it`."""
    plain = _HOW.sub("how", text)
    for short, long in _SHORT:
        plain = short.sub(long, plain)
    words = [word if len(word) > 1 and word.isupper() else word.casefold() for word in _WORD.findall(plain)]
    return [_ALIKE.get(word, word) for word in words]
