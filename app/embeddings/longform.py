"""Embeds long texts in 1536 dims: the vectors of four windows, concatenated. A wrapper of an embedder.

Two long texts are compared by the cosine of all 1536 numbers, a question with each window. Formula and alternatives:
docs/decisions/0016-long-form.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.embeddings.embedder import DIMENSIONS, Embedder
from app.embeddings.model import FOLDER, NAME, Model
from app.embeddings.tokenizer import MAX_TOKENS
from app.embeddings.windows import PARTS, WindowCutter

Floats = NDArray[np.float32]

MODEL = f"{NAME}, four windows"
DIMS = DIMENSIONS * PARTS
HEAD_SHARE = 0.5
"""Weight of the first 256 tokens in `closeness`; the best window has the rest. A text's beginning says what it is about."""


class LongForm(Protocol):
    """A long-form embedder. `model`: never compare vectors of two models. `short_bytes`: texts up to this size never have a vector."""

    model: str
    short_bytes: int

    async def embed(self, texts: Sequence[str]) -> list[Floats | None]:
        """Return (1536,) float32 of unit length per text, in order; None for a text that the 384-dim model reads whole."""


class WindowedEmbedder:
    """Embeds a text's windows through the given embedder, and so through its batching and cache."""

    model = MODEL
    short_bytes = MAX_TOKENS - 2
    """A token is at least a byte long, and two of the MAX_TOKENS that the model reads are its own markers."""

    def __init__(self, inner: Embedder, cutter: WindowCutter) -> None:
        self._inner = inner
        self._cutter = cutter

    async def embed(self, texts: Sequence[str]) -> list[Floats | None]:
        cut = await asyncio.to_thread(self._cutter.cut, texts)
        windows = [window for parts in cut for window in parts]
        if not windows:
            return [None] * len(texts)
        vectors = iter((await self._inner.embed(windows)).reshape(-1, DIMS) / np.sqrt(np.float32(PARTS)))
        return [next(vectors) if parts else None for parts in cut]


def local_long_form(embedder: Embedder, models: Path) -> LongForm:
    """Return this machine's long-form encoder: the same model, four times. `models`: the folder where `open_embedder` exports it."""
    return WindowedEmbedder(embedder, WindowCutter(Model(models / FOLDER).tokenizer))


def parts_of(head: Floats, long: Floats | None) -> Floats:
    """Return a text's window vectors (4 × 384, unit length); for a short text its only one (1 × 384)."""
    return head[None, :] if long is None else long.reshape(PARTS, -1) * np.sqrt(np.float32(PARTS))


def agreement(one: Floats, other: Floats) -> float:
    """Return the cosine of two texts' 1536 dims, given their windows' vectors; a short text counts as four equal windows."""
    return float((one * other).sum(axis=1).mean())


def closeness(question: Floats, head: Floats, long: Floats | None) -> float:
    """Return a text's closeness to a question: a short text's cosine; for a long one, half that and half the best window's."""
    cosine = float(head @ question)
    if long is None:
        return cosine
    return HEAD_SHARE * cosine + (1 - HEAD_SHARE) * float((parts_of(head, long) @ question).max())
