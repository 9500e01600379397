"""The interface of an embedder. Behaviours are added by wrapping: `Cached(Coalescing(Runtime))`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
DIMENSIONS = 384
"""Dimensions of a vector of the local model, all-MiniLM-L6-v2."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text's vector, its tokens, their offsets in the text, and their unit vectors (tokens × DIMENSIONS)."""

    vector: Floats
    pieces: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    tokens: Floats


@dataclass(frozen=True, slots=True)
class Packed:
    """A passage's vector and its packed token vectors (`late_interaction.pack`), 4 kB on average."""

    vector: Floats
    late: bytes


class Embedder(Protocol):
    """Turns texts into vectors. `model`: vectors of two models must never be compared."""

    model: str

    async def embed(self, texts: Sequence[str]) -> Floats:
        """Return (n, DIMENSIONS) float32 of unit length, in the order of the texts; an empty text has a vector too."""


class TokenEmbedder(Embedder, Protocol):
    """An embedder that also returns token vectors from the same run, for late interaction."""

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """Return each text's vector and token vectors, in the order of the texts. 1.5 kB per token, 390 kB for 256 tokens."""

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """Like `embed_tokens`, with token vectors packed run by run, for any number of texts."""
