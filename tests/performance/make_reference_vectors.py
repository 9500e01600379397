"""Writes the vectors that an exported model is compared with: sentence-transformers' own, of the samples. Needs torch.

python tests/performance/make_reference_vectors.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from sentence_transformers import SentenceTransformer

from app.embeddings.export import REFERENCE, SAMPLES
from app.embeddings.model import check_weights, weights_folder

if __name__ == "__main__":
    check_weights(weights_folder())
    vectors = SentenceTransformer(str(weights_folder()), device="cpu").encode(SAMPLES, normalize_embeddings=True)
    np.save(REFERENCE, vectors.astype(np.float32))
