"""Our embedder against sentence-transformers on torch: the same texts, the same processor, the same threads.

python tests/performance/measure_torch.py [--iterations=200]

One short question; 1,000 passages of Cranfield of mixed length, 50 tokens on average; how far our vectors are from theirs, alone and in
a batch; and whether a search ranks as well by ours (Cranfield, nDCG@10). Reads ../shared/data (CAIRN_EVAL_DATA).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from app.embeddings.cpu import load
from app.embeddings.model import ensure_exported, weights_folder
from app.settings import ROOT, EmbeddingsSettings
from tests.fakes.models import models_folder
from tests.performance.corpus import questions
from tests.performance.measure import Figure, machine, percentile, show, timed
from tests.performance.measure_long_form import Task, cranfield, quality

Floats = NDArray[np.float32]
PASSAGES, TOKENS = 1000, 50
TOKENS_A_WORD = 1.35
ROUNDS = 3
"""Of each side in turn: the best counts, since what else the machine does only slows."""


async def against_torch(iterations: int) -> list[Figure] | None:
    """None where there are no evaluation sets."""
    data = Path(os.environ.get("CAIRN_EVAL_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        return None
    model = await ensure_exported(models_folder())
    ours = load(model, EmbeddingsSettings(device="cpu"), models_folder() / "compiled")
    theirs = await asyncio.to_thread(_Theirs)
    task = cranfield(data)
    passages = _passages(task)
    asked = iter(questions(4 * (iterations + 20)))

    async def torch_one() -> object:
        return theirs.encode([next(asked)])

    our_one, their_one = [], []
    for _ in range(2):
        our_one.append(percentile(await timed(lambda: ours.embed([next(asked)]), iterations=iterations // 2, warm_up=10), 0.5))
        their_one.append(percentile(await timed(torch_one, iterations=iterations // 2, warm_up=10), 0.5))
    our_rates, their_rates = [], []
    vectors = reference = np.zeros((0, 384), dtype=np.float32)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        vectors = await ours.embed(passages)
        our_rates.append(len(passages) / (time.perf_counter() - began))
        began = time.perf_counter()
        reference = theirs.encode(passages)
        their_rates.append(len(passages) / (time.perf_counter() - began))
    alone = np.vstack([await ours.embed([text]) for text in passages[:100]])
    tokens = [len(each.ids) for each in ours._tokenizer.encode(passages)]
    documents, asking = task.passages, [text for text, _ in task.questions]
    by_ours = (await ours.embed(asking)) @ (await ours.embed(documents)).T
    by_theirs = theirs.encode(asking) @ theirs.encode(documents).T
    name = "embedding"
    return [
        Figure(name, "one short question p50", "ms", min(our_one), 1.7),
        Figure(name, "the same by sentence-transformers on torch", "ms", min(their_one)),
        Figure(name, "times as fast", "×", min(their_one) / min(our_one), 3.5, at_least=True),
        Figure(name, f"{PASSAGES:,} passages, {np.mean(tokens):.0f} tokens on average", "texts/s", max(our_rates), 350, at_least=True),
        Figure(name, "the same by sentence-transformers on torch", "texts/s", max(their_rates)),
        Figure(name, "times as fast", "×", max(our_rates) / max(their_rates), 4, at_least=True),
        Figure(name, "lowest cosine to theirs, in a batch", "", float((vectors * reference).sum(1).min()), 0.999, at_least=True),
        Figure(name, "lowest cosine, alone to in a batch", "", float((alone * vectors[:100]).sum(1).min()), 0.999, at_least=True),
        Figure(
            name, "Cranfield nDCG@10", "", quality(by_ours, task.questions)[0], quality(by_theirs, task.questions)[0] - 0.002, at_least=True
        ),
    ]


class _Theirs:
    """Sentence-transformers as its users call it: fp32, its own batches of 32."""

    def __init__(self) -> None:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from sentence_transformers import SentenceTransformer

            self._model = SentenceTransformer(str(weights_folder()), device="cpu", local_files_only=True)
        torch.set_num_threads(min(4, os.cpu_count() or 1))

    def encode(self, texts: Sequence[str]) -> Floats:
        return np.asarray(self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)


def _passages(task: Task) -> list[str]:
    """Runs of words of the documents, from a few to two hundred; most are short, as in sessions."""
    chance = random.Random(1)
    words = [text.split() for text in task.passages]
    made = []
    for _ in range(PASSAGES):
        document = chance.choice(words)
        length = min(len(document), max(3, round(chance.lognormvariate(3.3, 0.8))))
        start = chance.randrange(len(document) - length + 1)
        made.append(" ".join(document[start : start + length]))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=200)
    figures = asyncio.run(against_torch(parser.parse_args().iterations))
    if figures is None:
        print("../shared/data is absent (CAIRN_EVAL_DATA)", file=sys.stderr)
        return 1
    show(figures)
    print(machine())
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
