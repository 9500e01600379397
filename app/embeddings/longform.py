"""Text → 1536 dims: the vectors of a long text's four windows, side by side. An embedder around an embedder.

As a cosine of all 1536 numbers it compares two long texts. A question is short: it is compared with each window. Which formula, and
what else was tried: docs/decisions/0016-long-form.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.embeddings.embedder import Embedder
from app.embeddings.model import FOLDER, NAME, Model
from app.embeddings.tokens import MAX_TOKENS
from app.embeddings.windows import PARTS, Cutter

Floats = NDArray[np.float32]

MODEL = f"{NAME}, four windows"
DIMS = 384 * PARTS
HEAD_SHARE = 0.5
"""Of the closeness to a question: the rest is the best window's. A text's beginning says what it is about."""


class LongForm(Protocol):
    """`model` names what made the vectors. `short_bytes`: a text of no more has none, whatever it says."""

    model: str
    short_bytes: int

    async def embed(self, texts: Sequence[str]) -> list[Floats | None]:
        """(1536,) float32 of unit length, in the order of the texts; None for a text that its 384 dims say whole."""


class WindowsEmbedder:
    """Windows go through the same embedder as questions do, and so through its runtime, its batches and its cache."""

    model = MODEL
    short_bytes = MAX_TOKENS - 2
    """No token is shorter than a byte, and two of those that are read are the model's own."""

    def __init__(self, inner: Embedder, cutter: Cutter) -> None:
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
    """The long-form encoder of this machine: the same model, four times. `models`: where `open_embedder` exports and checks it."""
    return WindowsEmbedder(embedder, Cutter(Model(models / FOLDER).tokenizer))


def parts_of(head: Floats, long: Floats | None) -> Floats:
    """(4 or 1, 384), each row of unit length: a text's windows; of a short text, its only one."""
    return head[None, :] if long is None else long.reshape(PARTS, -1) * np.sqrt(np.float32(PARTS))


def agreement(one: Floats, other: Floats) -> float:
    """The cosine of two texts' 1536 dims, given their windows: a short text counts as four times the same window."""
    return float((one * other).sum(axis=1).mean())


def closeness(question: Floats, head: Floats, long: Floats | None) -> float:
    """How near a text is to a question, as a cosine is: to a short one its cosine, to a long one half of it its best window's."""
    cosine = float(head @ question)
    if long is None:
        return cosine
    return HEAD_SHARE * cosine + (1 - HEAD_SHARE) * float((parts_of(head, long) @ question).max())
