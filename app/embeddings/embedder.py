"""What an embedder is. Wrapped, not branched: `Cached(Coalescing(Runtime))`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as the model reads it: its vector (384), its tokens, where each stands in the text, and their unit vectors (tokens × 384)."""

    vector: Floats
    pieces: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    tokens: Floats


@dataclass(frozen=True, slots=True)
class Packed:
    """A passage as it is stored: its vector (384), and its token vectors as `late_interaction.pack` gives them, 4 kB on average."""

    vector: Floats
    late: bytes


class Embedder(Protocol):
    """`model` names what made the vectors: vectors of two models are never compared."""

    model: str

    async def embed(self, texts: Sequence[str]) -> Floats:
        """(n, 384) float32 of unit length, in the order of the texts; an empty text has a vector too."""


class TokenEmbedder(Embedder, Protocol):
    """An embedder that also gives the vectors of a text's tokens, by the same run: late interaction reads them."""

    async def embed_tokens(self, texts: Sequence[str]) -> list[Encoded]:
        """In the order of the texts, their vectors as `embed` gives them. A token takes 1.5 kB, a text of 256 tokens 390 kB."""

    async def embed_packed(self, texts: Sequence[str]) -> list[Packed]:
        """The same with the token vectors packed as they come, for any number of texts."""
