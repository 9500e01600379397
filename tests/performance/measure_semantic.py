"""The semantic tier, measured before anyone turns it on: how often it would answer, and how often wrongly, by threshold.

python tests/performance/measure_semantic.py [--markdown]

Pairs judged by people (SemEval 2015/2016): 5 asks the same, 4 differs in something minor, 3 and less must not be taken for the same. Pairs that
were made to differ in one thing that changes the answer. A full cache (CLINC150, where it is there): 2,000 prompts, each new one
compared with all of them. And what a miss pays for being looked up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from app.embeddings import Embedder
from app.embeddings.coalescing import CoalescingEmbedder
from app.embeddings.cpu import load
from app.embeddings.model import ensure_exported
from app.inference.semantic import MAX_SEEN_CHARS, CacheQuestion, Semantic, objections
from app.likeness import differing
from app.settings import EmbeddingsSettings, SemanticCacheSettings
from tests.fakes.models import models_folder
from tests.performance.measure import percentile

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
THRESHOLDS = (0.85, 0.90, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
FULL, ASKED = 2000, 2000
SWAPPED = (
    ("before", "after"),
    ("with", "without"),
    ("more", "less"),
    ("start", "stop"),
    ("cat", "dog"),
    ("best", "worst"),
    ("old", "new"),
    ("my", "his"),
)
Guard = Callable[[str, str], tuple[str, ...]]
GUARDS: dict[str, Guard] = {"none": lambda _, __: (), "dedup's": differing, "the tier's": objections}


@dataclass(frozen=True, slots=True)
class Pair:
    """`same`: 5 to 0, as people judged it."""

    one: str
    other: str
    same: float
    cosine: float = 0.0


def judged() -> list[Pair]:
    """The scored pairs of all three sets."""
    found = []
    for file in sorted((DATA / "sts-dups").glob("*.tsv")):
        for line in file.read_text(encoding="utf-8").splitlines():
            score, *texts = line.split("\t")
            if score.strip() and len(texts) >= 2:
                found.append(Pair(texts[0], texts[1], float(score)))
    return found


def near_misses(texts: Sequence[str]) -> list[Pair]:
    """One thing changed that changes the answer: a negation, a number, the order of two names, an opposite, a name."""
    return [Pair(text, other, 0) for text in dict.fromkeys(texts) for other in dict.fromkeys(_changed(text)) if other != text]


def _changed(text: str) -> Iterator[str]:
    if found := re.search(r"\b(is|are|can|should|do|does|will|would|could)\b", text, re.IGNORECASE):
        yield f"{text[: found.end()]} not{text[found.end() :]}"
    if found := re.search(r"\d+", text):
        yield f"{text[: found.start()]}{int(found[0]) + 1}{text[found.end() :]}"
    else:
        yield f"{text.rstrip('?.! ')} within 3 days?"
    for left, right in SWAPPED:
        for word, other in ((left, right), (right, left)):
            if re.search(rf"\b{word}\b", text):
                yield re.sub(rf"\b{word}\b", other, text, count=1)
    if found := re.search(r"\bfrom ([\w, ]{3,20}) to ([\w, ]{3,20})(?=[?.]|$)", text):
        yield f"{text[: found.start()]}from {found[2]} to {found[1]}{text[found.end() :]}"


async def compared(embedder: Embedder, pairs: Sequence[Pair]) -> list[Pair]:
    left = await embedder.embed([pair.one for pair in pairs])
    right = await embedder.embed([pair.other for pair in pairs])
    cosines = (left * right).sum(axis=1)
    return [Pair(pair.one, pair.other, pair.same, float(cosine)) for pair, cosine in zip(pairs, cosines, strict=True)]


def rows(pairs: Sequence[Pair], misses: Sequence[Pair]) -> Iterator[list[str]]:
    """By threshold and guards: hits among equals (5), among near-equals (4), false hits (3 and less), and among the made pairs."""
    kinds = [[pair for pair in pairs if pair.same >= 5], [p for p in pairs if 4 <= p.same < 5], [p for p in pairs if p.same < 4], misses]
    objects = {name: [[not guard(pair.one, pair.other) for pair in kind] for kind in kinds] for name, guard in GUARDS.items()}
    yield [
        "threshold",
        "guards",
        *(f"{name} ({len(kind):,})" for name, kind in zip(("5", "4", "≤ 3: false", "made to differ: false"), kinds, strict=True)),
    ]
    for threshold in THRESHOLDS:
        for name in GUARDS:
            hits = [
                sum(fine and pair.cosine >= threshold for pair, fine in zip(kind, passed, strict=True))
                for kind, passed in zip(kinds, objects[name], strict=True)
            ]
            yield [
                f"{threshold:.2f}",
                name,
                *(f"{hit} · {100 * hit / max(1, len(kind)):.1f} %" for hit, kind in zip(hits, kinds, strict=True)),
            ]


async def full_cache(embedder: Embedder) -> Iterator[list[str]]:
    """Each new prompt against 2,000 kept ones: the best that the guards let through. Another intent is certainly a wrong answer."""
    data = json.loads((DATA / "clinc150" / "data_small.json").read_text(encoding="utf-8"))
    drawn = random.Random(1)
    kept = drawn.sample([tuple(each) for each in data["train"]], FULL)
    texts = {text for text, _ in kept}
    asked = drawn.sample([tuple(each) for each in data["test"] if each[0] not in texts], ASKED)
    ours, theirs = await embedder.embed([text for text, _ in kept]), await embedder.embed([text for text, _ in asked])
    return _full_rows(kept, asked, theirs @ ours.T)


def _full_rows(kept: Sequence[tuple[str, str]], asked: Sequence[tuple[str, str]], cosines: NDArray[np.float32]) -> Iterator[list[str]]:
    yield ["threshold", "guards", f"hits of {len(asked):,}", "of another intent: false", "false of the hits"]
    for threshold in THRESHOLDS:
        for name, guard in GUARDS.items():
            hits = false = 0
            for place, (text, intent) in enumerate(asked):
                for best in np.argsort(-cosines[place])[:3]:
                    if cosines[place][best] >= threshold and not guard(text, kept[int(best)][0]):
                        hits += 1
                        false += kept[int(best)][1] != intent
                        break
            yield [f"{threshold:.2f}", name, f"{hits} · {100 * hits / len(asked):.1f} %", str(false), f"{100 * false / max(1, hits):.1f} %"]


async def costs(embedder: Embedder, texts: Sequence[str]) -> Iterator[list[str]]:
    """Milliseconds that a miss pays: with nothing to be like, and with 2,000 prompts to be like; and how long it keeps the loop."""
    texts = [text for text in dict.fromkeys(texts) if len(text.replace(" ", "")) <= MAX_SEEN_CHARS][:400]
    semantic = Semantic(embedder, SemanticCacheSettings(enabled=True, threshold=0.9))
    here, elsewhere = b"here", b"elsewhere"
    for number in range(FULL):
        await semantic.remember(CacheQuestion(f"{texts[number % len(texts)]} {number}", here), number.to_bytes(4, "big"), 1e6)
    found = []
    for name, partition in (("nothing to be like", elsewhere), (f"{FULL:,} to be like", here)):
        spent = []
        for text in texts:
            began = time.perf_counter()
            await semantic.near(CacheQuestion(text, partition))
            spent.append((time.perf_counter() - began) * 1000)
        found.append([name, *(f"{percentile(spent, share):.2f}" for share in (0.5, 0.95, 0.99))])
    vectors = await embedder.embed(texts)
    spent = []
    for text, vector in zip(texts, vectors, strict=True):
        began = time.perf_counter()
        semantic._alike(CacheQuestion(text, here), vector)
        spent.append((time.perf_counter() - began) * 1000)
    found.append(["of that on the event loop", *(f"{percentile(spent, share):.2f}" for share in (0.5, 0.95, 0.99))])
    return iter([["a miss pays, ms", "p50", "p95", "p99"], *found, [f"memory of {FULL:,}, kB", f"{semantic.size / 1000:,.0f}", "", ""]])


def show(table: Iterator[list[str]], *, markdown: bool) -> None:
    for number, cells in enumerate(table):
        print("| " + " | ".join(cells) + " |" if markdown else "  ".join(f"{cell:>22}" for cell in cells))
        if markdown and number == 0:
            print("|" + " --- |" * len(cells))
    print()


async def main(*, markdown: bool) -> None:
    if not (DATA / "sts-dups").is_dir():
        sys.exit(f"{DATA / 'sts-dups'} is absent: set CAIRN_EVAL_DATA to the folder of the evaluation data.")
    embedder = CoalescingEmbedder(load(await ensure_exported(models_folder()), EmbeddingsSettings(), models_folder() / "compiled"))
    pairs = await compared(embedder, judged())
    made = await compared(embedder, near_misses([pair.one for pair in pairs] + [pair.other for pair in pairs]))
    show(rows(pairs, made), markdown=markdown)
    if (DATA / "clinc150").is_dir():
        show(await full_cache(embedder), markdown=markdown)
    show(await costs(embedder, [pair.one for pair in pairs] + [pair.other for pair in pairs]), markdown=markdown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true", help="the tables of docs/decisions")
    asyncio.run(main(markdown=parser.parse_args().markdown))
