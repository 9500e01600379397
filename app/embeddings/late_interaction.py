"""Late interaction: how well each token of a question is met by some token of a passage (ColBERT's MaxSim), in about 4 kB a passage.

A passage's token vectors are those that the model computes anyway before pooling. Kept of them: content tokens, POOL of them merged into
one (Clavié et al., 2024: token pooling), projected to DIMS dimensions by a fixed matrix, int8. Pure arithmetic: knows no database.

The projection (`late_projection.npy`, 384 × 128, float16) holds the first right singular vectors of token vectors of this project's own
documents, made by `tests/performance/make_projection.py`: never of questions or of sessions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.storage.vectors.lexical import STOP

Floats = NDArray[np.float32]

VERSION = 1
"""Of the packed form and its projection: raise it when either changes, and passages are embedded anew."""
DIMS, POOL = 128, 2
MAX_VECTORS = 64
_SERIAL_PRODUCTS = 250_000
"""Multiplications of one call that OpenBLAS doesn't share out among threads (it does above 262,144)."""
_HEAD = struct.Struct("<2sBH")
_MAGIC = b"LI"
_PROJECTION = Path(__file__).with_name("late_projection.npy")


def content(pieces: Sequence[str]) -> list[int]:
    """Places of the tokens that carry meaning: no punctuation, no stop word, nothing unknown. All of them where none does."""
    kept = [place for place, piece in enumerate(pieces) if is_content(piece)]
    return kept or list(range(len(pieces)))


def is_content(piece: str) -> bool:
    return any(map(str.isalnum, piece)) and piece not in STOP and not piece.startswith("[")


def pooled(vectors: Floats, *, size: int = POOL) -> Floats:
    """Merge similar vectors, about `size` into one: farthest-first centres, each vector to its nearest, the mean renormalised."""
    wanted = min(-(-len(vectors) // size), MAX_VECTORS)
    if size <= 1 or len(vectors) <= wanted:
        return vectors[:MAX_VECTORS]
    centres = [0]
    nearest = vectors @ vectors[0]
    of = np.zeros(len(vectors), dtype=np.int64)
    while len(centres) < wanted:
        farthest = int(nearest.argmin())
        cosines = vectors @ vectors[farthest]
        closer = cosines > nearest
        of[closer], nearest = len(centres), np.maximum(nearest, cosines)
        centres.append(farthest)
    merged = np.zeros((wanted, vectors.shape[1]), dtype=np.float32)
    np.add.at(merged, of, vectors)
    return unit(merged)


def pack(pieces: Sequence[str], tokens: Floats) -> bytes:
    """Prune, pool, project and quantize a passage's token vectors (tokens × 384, unit length): 5 + vectors × DIMS bytes."""
    kept = tokens[content(pieces)]
    projected = unit(pooled(kept) @ projection()) if len(kept) else np.zeros((0, DIMS), dtype=np.float32)
    largest = np.maximum(np.abs(projected).max(axis=1, keepdims=True, initial=0.0), 1e-9)
    quantized = np.rint(projected * (127 / largest)).astype(np.int8)
    body: bytes = quantized.tobytes()
    return _HEAD.pack(_MAGIC, VERSION, len(quantized)) + body


def unpack(packed: bytes) -> Floats:
    """The vectors of a packed passage (n × DIMS, unit length); none where it was packed by another version or is damaged."""
    if count := _count(packed):
        return unit(np.frombuffer(packed, dtype=np.int8, offset=_HEAD.size).reshape(count, DIMS).astype(np.float32))
    return np.zeros((0, DIMS), dtype=np.float32)


def question_vectors(tokens: Floats) -> Floats:
    """A question's token vectors (tokens × 384) in the passages' space (tokens × DIMS)."""
    return unit(_products(tokens, projection().T)) if len(tokens) else np.zeros((0, DIMS), dtype=np.float32)


def best_cosines(question: Floats, passages: Sequence[bytes]) -> Floats:
    """For each passage and each token of the question the best cosine to any token of the passage: passages × tokens.

    0 where a passage has no vectors: an older version, or not embedded yet.
    """
    best = np.zeros((len(passages), len(question)), dtype=np.float32)
    counts = [_count(passage) for passage in passages]
    places = [place for place, count in enumerate(counts) if count]
    if not places or not len(question):
        return best
    body = b"".join(memoryview(passages[place])[_HEAD.size :] for place in places)
    vectors = np.frombuffer(body, dtype=np.int8).reshape(-1, DIMS).astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    cosines = _products(vectors, question) / np.maximum(lengths, 1e-9)[:, None]
    starts = np.cumsum([0, *(counts[place] for place in places[:-1])])
    best[places] = np.maximum.reduceat(cosines, starts, axis=0)
    return best


def likeness(one: bytes, other: bytes) -> float:
    """Score how alike two packed passages are: the mean of their tokens' best cosines in the other. 0 where either has none."""
    first, second = unpack(one), unpack(other)
    if not len(first) or not len(second):
        return 0.0
    cosines = _products(first, second)
    return float(cosines.max(axis=0).mean() + cosines.max(axis=1).mean()) / 2


def _products(vectors: Floats, others: Floats) -> Floats:
    """Multiply `vectors @ others.T` on this thread alone.

    OpenBLAS would share it out among threads and then wait for them: on a busy machine 14 ms a question instead of 0.5.
    """
    made = np.empty((len(vectors), len(others)), dtype=np.float32)
    rows = max(1, _SERIAL_PRODUCTS // max(1, others.size))
    for start in range(0, len(vectors), rows):
        np.matmul(vectors[start : start + rows], others.T, out=made[start : start + rows])
    return made


def _count(packed: bytes) -> int:
    """How many vectors a packed passage holds; 0 where it was packed by another version or is damaged."""
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
