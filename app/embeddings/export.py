"""`python -m app.embeddings.export FOLDER`: load the model with sentence-transformers and write it as an ONNX graph, once.

The graph covers everything after the tokenizer: transformer, masked mean, normalization; its second output is the token vectors before
the mean, for late interaction. Its vectors are compared with sentence-transformers' own before it is used.
Imports torch, as only `cuda.py` does too.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import cast

import numpy as np

from app.embeddings.model import GRAPH, TOKENIZER, check_weights, weights_folder, write_manifest
from app.embeddings.tokenizer import Tokenizer

MIN_COSINE = 0.9999
SAMPLES = [  # short, long, code, Chinese
    "hello",
    "The payment worker timed out: its pool had only 5 connections.",
    "def f(x):\n    return x + 1",
    "为什么选择这个方案",
    "word " * 300,
]


def main(folder: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    warnings.simplefilter("ignore")
    source = weights_folder()
    check_weights(source)
    folder.mkdir(parents=True)
    shutil.copyfile(source / "tokenizer.json", folder / TOKENIZER)
    _write_graph(source, folder / GRAPH)
    write_manifest(folder)


def _write_graph(source: Path, graph: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(source), device="cpu", model_kwargs={"attn_implementation": "eager"})
    transformer = cast("torch.nn.Module", model[0].auto_model).eval()

    class Encoder(torch.nn.Module):
        """Maps ids, mask (batch × tokens, int64) to unit vectors (batch × 384, float32) and token vectors (batch × tokens × 384)."""

        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            states = self.transformer(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids)).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2, dim=1), states

    sample = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        Encoder().requires_grad_(False).eval(),
        (sample, sample),
        str(graph),
        input_names=["ids", "mask"],
        output_names=["vectors", "tokens"],
        opset_version=17,
        dynamic_axes={"ids": axes, "mask": axes, "vectors": {0: "batch"}, "tokens": axes},
        dynamo=False,
    )
    _compare(graph, graph.with_name(TOKENIZER), model.encode(SAMPLES, normalize_embeddings=True))


def _compare(graph: Path, tokenizer: Path, wanted: np.ndarray) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    ids, mask = Tokenizer(tokenizer).batch(SAMPLES)
    (found,) = session.run(["vectors"], {"ids": ids, "mask": mask})
    lowest = float((found * wanted).sum(axis=1).min())
    if lowest < MIN_COSINE:
        raise SystemExit(f"The exported model differs from sentence-transformers: cosine {lowest:.5f}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
