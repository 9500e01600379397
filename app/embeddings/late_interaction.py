"""Scores passages by late interaction (ColBERT's MaxSim): each question token against its best passage token. About 4 kB a passage.

A passage's token vectors are those that the model computes anyway before pooling. Packed: of content tokens only, every POOL similar ones
merged into one (token pooling, Clavié et al., 2024), projected to DIMS dimensions by a fixed matrix, as int8. Pure: knows no database.

The projection (`late_projection.npy`, 384 × 128, float16): the first right singular vectors of token vectors of this project's own
documents, made by `tests/performance/make_projection.py`, never of questions or of sessions.
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
"""Version of the packed format and its projection: raise it when either changes, and passages are embedded again."""
DIMS, POOL = 128, 2
MAX_VECTORS = 64
"""Vectors of a packed passage."""
_HEAD = struct.Struct("<2sBH")
_MAGIC = b"LI"
_PROJECTION = Path(__file__).with_name("late_projection.npy")


def content(pieces: Sequence[str]) -> list[int]:
    """Return the places of content tokens: no punctuation, stop words or unknown tokens; all places if none is left."""
    places = [place for place, piece in enumerate(pieces) if is_content(piece)]
    return places or list(range(len(pieces)))


@lru_cache(maxsize=32_768)  # the model's vocabulary: 30,522 pieces
def is_content(piece: str) -> bool:
    """Tell a content token from punctuation, stop words and the model's own tokens, such as `[UNK]`."""
    return any(map(str.isalnum, piece)) and piece not in STOP and not piece.startswith("[")


def clusters(vectors: Floats, count: int) -> NDArray[np.int64]:
    """Cluster unit vectors around farthest-first centres. Returns the number of each vector's cluster, from 0 to `count` - 1."""
    cosines = vectors @ vectors.T  # one product: one per centre would take ten times as long
    centres, nearest = [0], cosines[0].copy()
    while len(centres) < count:
        farthest = int(nearest.argmin())
        np.maximum(nearest, cosines[farthest], out=nearest)
        centres.append(farthest)
    return np.asarray(cosines[centres].argmax(axis=0), dtype=np.int64)


def pack(pieces: Sequence[str], tokens: Floats) -> bytes:
    """Prune, pool, project and quantize a passage's token vectors (tokens × 384, unit length): 5 + vectors × DIMS bytes.

    POOL similar vectors are merged into their mean. The projection is linear, so it comes first: the mean then takes fewer numbers.
    """
    pruned = tokens[content(pieces)]
    projected = pruned @ projection()
    wanted = min(-(-len(pruned) // POOL), MAX_VECTORS)
    if len(pruned) > wanted:
        members = clusters(pruned, wanted) == np.arange(wanted)[:, None]
        projected = members.astype(np.float32) @ projected
    largest = np.maximum(np.abs(projected).max(axis=1, keepdims=True, initial=0.0), 1e-9)
    body: bytes = np.rint(projected * (127 / largest)).astype(np.int8).tobytes()
    return _HEAD.pack(_MAGIC, VERSION, len(projected)) + body


def unpack(packed: bytes) -> Floats:
    """Return a packed passage's vectors (n × DIMS, unit length); none if damaged or packed by another version."""
    return unpack_all([packed])[0]


def unpack_all(packed: Sequence[bytes]) -> tuple[Floats, list[int]]:
    """Return packed passages' vectors, concatenated (n × DIMS, unit length), and the number of vectors of each passage.

    A count of 0: damaged, or packed by another version.
    """
    counts = [_count(each) for each in packed]
    body = b"".join(memoryview(each)[_HEAD.size :] for each, count in zip(packed, counts, strict=True) if count)
    vectors = np.frombuffer(body, dtype=np.int8).reshape(-1, DIMS).astype(np.float32)
    vectors /= np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-9)[:, None]
    return vectors, counts


def question_vectors(tokens: Floats) -> Floats:
    """Project a question's token vectors (tokens × 384) into the passages' space (tokens × DIMS)."""
    return unit(tokens @ projection()) if len(tokens) else np.zeros((0, DIMS), dtype=np.float32)


def best_cosines(question: Floats, passages: Sequence[bytes]) -> Floats:
    """Return each question token's best cosine to any token of each passage: passages × tokens.

    0 for a passage without vectors: not embedded yet, or packed by an older version.
    """
    best = np.zeros((len(passages), len(question)), dtype=np.float32)
    vectors, counts = unpack_all(passages)
    if len(vectors) and len(question):
        sizes = np.array(counts)
        starts = np.cumsum(sizes) - sizes
        best[sizes > 0] = np.maximum.reduceat(vectors @ question.T, starts[sizes > 0], axis=0)
    return best


def likeness(one: bytes, other: bytes) -> float:
    """Return the similarity of two packed passages: the mean best cosine of their tokens, in both directions. 0 if either has none."""
    first, second = unpack(one), unpack(other)
    if not len(first) or not len(second):
        return 0.0
    cosines = first @ second.T
    return float(cosines.max(axis=0).mean() + cosines.max(axis=1).mean()) / 2


def _count(packed: bytes) -> int:
    """Return the number of vectors of a packed passage; 0 if damaged or packed by another version."""
    if len(packed) < _HEAD.size:
        return 0
    magic, version, count = _HEAD.unpack_from(packed)
    return int(count) if magic == _MAGIC and version == VERSION and len(packed) == _HEAD.size + count * DIMS else 0


def unit(vectors: Floats) -> Floats:
    """Scale vectors to unit length."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return np.asarray(vectors / lengths, dtype=np.float32)


@cache
def projection() -> Floats:
    """Return the projection matrix, 384 × DIMS."""
    return np.asarray(np.load(_PROJECTION), dtype=np.float32)
