"""The merge guard, measured: wrong merges of texts that differ in one thing, paraphrases that are merged, and milliseconds a comparison.

python tests/performance/measure_merging.py

The pairs are ours (`tests/contrast_pairs.py`, `tests/minimal_pairs.py`, `tests/paraphrases.py`); KNOWN paraphrases were looked at while the lists of words were made.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.embeddings import Embedder
from app.embeddings.cpu import load
from app.embeddings.model import ensure_exported
from app.knowledge.neighbours import Neighbourhood, item_text
from app.likeness import differing, differs, restates
from app.settings import EmbeddingsSettings, Settings
from tests.contrast_pairs import contrast_pairs, held_out_pairs
from tests.fakes.models import models_folder
from tests.minimal_pairs import minimal_pairs
from tests.paraphrases import HARDER, HELD_OUT, KNOWN, LATEST, UNSEEN

Pairs = Sequence[tuple[str, str]]


async def merged(embedder: Embedder, pairs: Pairs, threshold: float) -> list[tuple[str, str]]:
    """Return the pairs of which the second would be merged into the first."""
    vectors = [await embedder.embed([item_text("Lesson", pair[side]) for pair in pairs]) for side in (0, 1)]
    found = []
    for place, (one, other) in enumerate(pairs):
        neighbourhood = Neighbourhood(threshold)
        neighbourhood.add(uuid4(), item_text("Lesson", one), vectors[0][place])
        if await neighbourhood.duplicate_of(item_text("Lesson", other), vectors[1][place]) is not None:
            found.append((one, other))
    return found


def milliseconds(pairs: Pairs) -> float:
    """Measure a comparison in processor time, where each text is read for the first time."""
    began = time.process_time()
    for one, other in pairs:
        restates(one, other)
        differs(one, other)
    return (time.process_time() - began) * 1000 / len(pairs)


async def main() -> None:
    threshold = Settings().knowledge.merge_threshold
    contrast = {"made": [pair[1:] for pair in contrast_pairs()], "held out": [pair[1:] for pair in held_out_pairs()]}
    contrast["minimal"] = [pair[1:] for pair in minimal_pairs()]
    spent = {
        name: milliseconds(pairs)
        for name, pairs in (("that differ", contrast["made"]), ("that say the same", [*KNOWN, *HELD_OUT, *UNSEEN]))
    }
    embedder = load(await ensure_exported(models_folder()), EmbeddingsSettings(), models_folder() / "compiled")
    for name, pairs in contrast.items():
        print(f"contrast, {name}: {len(await merged(embedder, pairs, threshold))} of {len(pairs)} merged, each of them wrongly")
    for name, same in (("known", KNOWN), ("held out", HELD_OUT), ("unseen", UNSEEN), ("latest", LATEST), ("harder", HARDER)):
        passed = sum(not differing(*pair) for pair in same)
        done = len(await merged(embedder, same, threshold))
        print(f"paraphrases, {name}: {done} of {len(same)} merged ({100 * done / len(same):.0f} %); the guard passes {passed}")
    for name, time_spent in spent.items():
        print(f"a comparison of two new texts {name}: {time_spent:.2f} ms")


if __name__ == "__main__":
    asyncio.run(main())
