"""Late interaction: how well each token of a question is met by some token of a passage (ColBERT's MaxSim), in about 4 kB a passage.

A passage's token vectors are those that the model computes anyway before pooling. Kept of them: content tokens, POOL of them merged into
one (Clavié et al., 2024: token pooling), projected to DIMS dimensions by a fixed matrix, int8. Pure arithmetic: knows no database.

The projection (`late_projection.npy`, 384 × 128, float16) holds the first right singular vectors of token vectors of this project's own
documents, made by `tests/performance/make_projection.py`: never of questions or of sessions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.storage.vectors.lexical import STOP

Floats = NDArray[np.float32]

VERSION = 1
"""Of the packed form and its projection: raise it when either changes, and passages are embedded anew."""
DIMS, POOL = 128, 2
MAX_VECTORS = 64
_HEAD = struct.Struct("<2sBH")
_MAGIC = b"LI"
_PROJECTION = Path(__file__).with_name("late_projection.npy")


def content(pieces: Sequence[str]) -> list[int]:
    """Places of the tokens that carry meaning: no punctuation, no stop word, nothing unknown. All of them where none does."""
    kept = [place for place, piece in enumerate(pieces) if is_content(piece)]
    return kept or list(range(len(pieces)))


@lru_cache(maxsize=32_768)  # the model's vocabulary: 30,522 pieces
def is_content(piece: str) -> bool:
    return any(map(str.isalnum, piece)) and piece not in STOP and not piece.startswith("[")


def clusters(vectors: Floats, count: int) -> NDArray[np.int64]:
    """For each unit vector the number of its cluster, below `count`: farthest-first centres, each vector to its nearest."""
    cosines = vectors @ vectors.T  # once: a product for each centre takes ten times as long
    centres, nearest = [0], cosines[0].copy()
    while len(centres) < count:
        farthest = int(nearest.argmin())
        np.maximum(nearest, cosines[farthest], out=nearest)
        centres.append(farthest)
    return np.asarray(cosines[centres].argmax(axis=0), dtype=np.int64)


def pack(pieces: Sequence[str], tokens: Floats) -> bytes:
    """Prune, pool, project and quantize a passage's token vectors (tokens × 384, unit length): 5 + vectors × DIMS bytes.

    POOL similar vectors are merged into one, their mean. The projection is linear: it is done before the mean, on fewer numbers.
    """
    kept = tokens[content(pieces)]
    projected = kept @ projection()
    wanted = min(-(-len(kept) // POOL), MAX_VECTORS)
    if len(kept) > wanted:
        members = clusters(kept, wanted) == np.arange(wanted)[:, None]
        projected = members.astype(np.float32) @ projected
    largest = np.maximum(np.abs(projected).max(axis=1, keepdims=True, initial=0.0), 1e-9)
    body: bytes = np.rint(projected * (127 / largest)).astype(np.int8).tobytes()
    return _HEAD.pack(_MAGIC, VERSION, len(projected)) + body


def unpack(packed: bytes) -> Floats:
    """The vectors of a packed passage (n × DIMS, unit length); none where it was packed by another version or is damaged."""
    return unpack_all([packed])[0]


def unpack_all(packed: Sequence[bytes]) -> tuple[Floats, list[int]]:
    """The vectors of packed passages one below the other (n × DIMS, unit length), and how many of them are each passage's, in order.

    None (0) where it was packed by another version or is damaged.
    """
    counts = [_count(each) for each in packed]
    body = b"".join(memoryview(each)[_HEAD.size :] for each, count in zip(packed, counts, strict=True) if count)
    vectors = np.frombuffer(body, dtype=np.int8).reshape(-1, DIMS).astype(np.float32)
    vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-9)[:, None]
    return vectors, counts


def question_vectors(tokens: Floats) -> Floats:
    """A question's token vectors (tokens × 384) in the passages' space (tokens × DIMS)."""
    return unit(tokens @ projection()) if len(tokens) else np.zeros((0, DIMS), dtype=np.float32)


def best_cosines(question: Floats, passages: Sequence[bytes]) -> Floats:
    """For each passage and each token of the question the best cosine to any token of the passage: passages × tokens.

    0 where a passage has no vectors: an older version, or not embedded yet.
    """
    best = np.zeros((len(passages), len(question)), dtype=np.float32)
    vectors, counts = unpack_all(passages)
    if len(vectors) and len(question):
        sizes = np.array(counts)
        starts = np.cumsum(sizes) - sizes
        best[sizes > 0] = np.maximum.reduceat(vectors @ question.T, starts[sizes > 0], axis=0)
    return best


def likeness(one: bytes, other: bytes) -> float:
    """Score how alike two packed passages are: the mean of their tokens' best cosines in the other. 0 where either has none."""
    first, second = unpack(one), unpack(other)
    if not len(first) or not len(second):
        return 0.0
    cosines = first @ second.T
    return float(cosines.max(axis=0).mean() + cosines.max(axis=1).mean()) / 2


def _count(packed: bytes) -> int:
    """Count the vectors of a packed passage; 0 where another version packed it, or it is damaged."""
    if len(packed) < _HEAD.size:
        return 0
    magic, version, count = _HEAD.unpack_from(packed)
    return int(count) if magic == _MAGIC and version == VERSION and len(packed) == _HEAD.size + count * DIMS else 0


def unit(vectors: Floats) -> Floats:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(vectors / lengths, dtype=np.float32)


@cache
def projection() -> Floats:
    return np.asarray(np.load(_PROJECTION), dtype=np.float32)
