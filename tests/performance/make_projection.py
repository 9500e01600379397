"""Makes app/embeddings/late_projection.npy: the first 128 right singular vectors of the token vectors of this project's own texts.

python tests/performance/make_projection.py

Read are docs/**/*.md and the invented lessons of tests/performance/corpus.py, never a session or a question. Prints how much is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from app.embeddings import late_interaction
from app.knowledge.passages.blocks import pieces
from tests.performance.corpus import varied_lessons
from tests.performance.recall_vectors import blocking_embedder

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    texts = [f"{title}. {body}" for title, body in varied_lessons(200)]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        texts += [piece.text for piece in pieces(page.read_text())]
    encoded = blocking_embedder().embed_tokens_blocking(texts)
    vectors = np.concatenate([each.tokens[late_interaction.content(each.pieces)] for each in encoded if len(each.tokens)])
    _, singular, right = np.linalg.svd(vectors.T @ vectors)
    matrix = right[: late_interaction.DIMS].T.astype(np.float16)
    np.save(ROOT / "app" / "embeddings" / "late_projection.npy", matrix)
    print(f"{len(texts)} texts, {len(vectors)} tokens; {singular[: late_interaction.DIMS].sum() / singular.sum():.1%} of their energy kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
