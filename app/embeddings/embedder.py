"""What an embedder is. Wrapped, not branched: `Cached(Coalescing(Runtime))`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """`model` names what made the vectors: vectors of two models are never compared."""

    model: str

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 384) float32 of unit length, in the order of the texts; an empty text has a vector too."""
