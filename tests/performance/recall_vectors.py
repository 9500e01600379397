"""Vectors of passages and questions for the measurement, each text embedded once and kept on disk."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.embeddings import late_interaction
from app.embeddings.cpu import load
from app.embeddings.embedder import Encoded
from app.embeddings.model import ensure_exported
from app.embeddings.runtime import RuntimeEmbedder
from app.settings import EmbeddingsSettings
from tests.fakes.models import models_folder
from tests.performance.recall_data import digest, scratch


@dataclass(frozen=True, slots=True)
class Embedded:
    vector: NDArray[np.float32]
    packed: bytes


def blocking_embedder() -> RuntimeEmbedder:
    return load(asyncio.run(ensure_exported(models_folder())), EmbeddingsSettings(), models_folder() / "compiled")


def embedded(name: str, texts: Sequence[str]) -> list[Embedded]:
    """The texts' vectors and packed token vectors, in order."""
    file = scratch() / f"vectors-{name}-{late_interaction.VERSION}.pickle"
    kept: dict[bytes, Embedded] = pickle.loads(file.read_bytes()) if file.exists() else {}
    keys = [digest(text) for text in texts]
    missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in kept}.items())
    if missing:
        embedder = blocking_embedder()
        for start in range(0, len(missing), 256):
            part = missing[start : start + 256]
            for (key, _), each in zip(part, embedder.embed_tokens_blocking([text for _, text in part]), strict=True):
                kept[key] = Embedded(each.vector, late_interaction.pack(each.pieces, each.tokens))
        file.write_bytes(pickle.dumps(kept))
    return [kept[key] for key in keys]


def encoded_questions(name: str, texts: Sequence[str]) -> list[Encoded]:
    file = scratch() / f"questions-{name}.pickle"
    kept: dict[bytes, Encoded] = pickle.loads(file.read_bytes()) if file.exists() else {}
    missing = [text for text in dict.fromkeys(texts) if digest(text) not in kept]
    if missing:
        embedder = blocking_embedder()
        kept |= {digest(text): embedder.embed_tokens_blocking([text])[0] for text in missing}
        file.write_bytes(pickle.dumps(kept))
    return [kept[digest(text)] for text in texts]
