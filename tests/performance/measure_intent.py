"""Intents of prompts against labels of real sessions: how often the one told is acceptable, by intent and language, and what one costs.

With 440 characters embedded and with 260; costs in wall and processor time, each the least of three runs, since other programs run beside.

python tests/performance/measure_intent.py [--threads N]

Needs the public evaluation data beside the project (CAIRN_EVAL_DATA). No example was made from the labels, none of their texts was read; the
experts and their ridges were chosen with the figures here and those of intent_held_out.toml in view. Macro-F1 is told twice: against the
one label, and with an acceptable answer counted as right. Intervals: 95 %, Wilson's or of 2,000 bootstraps.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from app.embeddings.cpu import load
from app.embeddings.model import ensure_exported
from app.embeddings.runtime import RuntimeEmbedder
from app.settings import EmbeddingsSettings
from app.trajectory.intent import prose as prose_module
from app.trajectory.intent.classifier import reading_of, scores_of
from app.trajectory.intent.context import only_agrees, read_prompt
from app.trajectory.intent.kinds import INTENTS
from app.trajectory.intent.prose import prose_of
from tests.fakes.models import models_folder
from tests.performance.fit_intent import calibration_error, held_out

LABELS = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "labels" / "intents.jsonl"
BOOTSTRAPS = 2_000
MIN_SHOWN = 5
RUNS = 3
LENGTHS = {"440 characters": (320, 120), "260 characters": (190, 70)}
"""Characters that are embedded of what is said: of its beginning, and of its end."""
Label = Mapping[str, Any]
Clocks = tuple[float, float]
"""Wall and processor time, in ms."""


def wilson(right: int, total: int) -> str:
    z, share = 1.96, right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{share:.3f} [{middle - half:.3f}, {middle + half:.3f}] ({right}/{total})"


def f1(wanted: NDArray[Any], told: NDArray[Any], place: int) -> float:
    both = int(((wanted == place) & (told == place)).sum())
    total = int((wanted == place).sum() + (told == place).sum())
    return 2 * both / total if total else 0.0


def macro_f1(wanted: NDArray[Any], told: NDArray[Any]) -> str:
    chance = np.random.default_rng(20)

    def mean(rows: NDArray[Any]) -> float:
        return float(np.mean([f1(wanted[rows], told[rows], place) for place in range(len(INTENTS)) if (wanted[rows] == place).any()]))

    drawn = [mean(chance.integers(0, len(wanted), len(wanted))) for _ in range(BOOTSTRAPS)]
    return f"{mean(np.arange(len(wanted))):.3f} [{np.percentile(drawn, 2.5):.3f}, {np.percentile(drawn, 97.5):.3f}]"


@dataclass(frozen=True, slots=True)
class MeasuredPrompt:
    """A prompt as it was read, and what that cost: all but the embedding, and all."""

    scores: NDArray[np.float64]
    without: Clocks
    whole: Clocks


@contextmanager
def embedded_chars(beginning: int, end: int) -> Iterator[None]:
    """Have so many characters embedded."""
    before = prose_module.HEAD_CHARS, prose_module.TAIL_CHARS
    prose_module.HEAD_CHARS, prose_module.TAIL_CHARS = beginning, end
    try:
        yield
    finally:
        prose_module.HEAD_CHARS, prose_module.TAIL_CHARS = before


def clocks() -> Clocks:
    return perf_counter() * 1_000, process_time() * 1_000


def measured(embedder: RuntimeEmbedder, label: Label) -> MeasuredPrompt:
    runs: list[tuple[Clocks, Clocks]] = []
    for _ in range(RUNS):
        began = clocks()
        prose = read_prompt(label["text"], label["context"])
        parted = clocks()
        vector = embedder.embed_blocking([prose.embedded])[0]
        embedded = clocks()
        scores = scores_of(prose, vector)
        reading_of(prose, vector, scores)
        done = clocks()
        whole = (done[0] - began[0], done[1] - began[1])
        runs.append(((whole[0] - embedded[0] + parted[0], whole[1] - embedded[1] + parted[1]), whole))
    least = [(min(run[place][0] for run in runs), min(run[place][1] for run in runs)) for place in (0, 1)]
    return MeasuredPrompt(scores, least[0], least[1])


def costs(found: Sequence[Clocks]) -> str:
    """Say what a prompt costs, in ms."""
    kinds = [("wall", [wall for wall, _ in found]), ("processor", [spent for _, spent in found])]
    return ", ".join(f"{name} p50 {np.percentile(times, 50):.2f} p95 {np.percentile(times, 95):.2f} ms" for name, times in kinds)


def acceptable_of(labels: Sequence[Label], told: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([INTENTS[place] in {label["intent"], *label["acceptable"]} for place, label in zip(told, labels, strict=True)])


def show_accuracy(labels: Sequence[Label], scores: NDArray[np.float64]) -> None:
    told, wanted = scores.argmax(axis=1), np.array([INTENTS.index(label["intent"]) for label in labels])
    acceptable = acceptable_of(labels, told)
    lenient = np.where(acceptable, told, wanted)
    print(f"  the one label {wilson(int((told == wanted).sum()), len(labels))}")
    print(f"  macro-F1 {macro_f1(lenient, told)} with acceptable answers, {macro_f1(wanted, told)} against the one label")
    either = acceptable | acceptable_of(labels, np.argsort(-scores, axis=1)[:, 1])
    print(
        f"  one of the two best acceptable {wilson(int(either.sum()), len(labels))}; calibration error {calibration_error(scores, acceptable):.3f}"
    )
    for place, intent in enumerate(INTENTS):
        mine = wanted == place
        missed = Counter(INTENTS[other] for other in told[mine & ~acceptable])
        print(
            f"  {intent:14} acceptable {wilson(int(acceptable[mine].sum()), int(mine.sum()))} F1 {f1(lenient, told, place):.2f} missed as {dict(missed)}"
        )
    for field in ("lang", "source_kind"):
        for value, count in Counter(label[field] for label in labels).items():
            rows = np.array([label[field] == value for label in labels])
            if count >= MIN_SHOWN:
                print(f"  {field} {value}: {wilson(int(acceptable[rows].sum()), count)}")


def show_held_out(embedder: RuntimeEmbedder) -> None:
    texts, right = held_out()
    parts = [prose_of(text) for text in texts]
    vectors = embedder.embed_blocking([each.embedded for each in parts])
    told = np.stack([scores_of(each, vector) for each, vector in zip(parts, vectors, strict=True)]).argmax(axis=1)
    print(f"written for the project, held out: {wilson(int((told == right).sum()), len(texts))}, macro-F1 {macro_f1(right, told)}")


def main() -> None:
    labels: list[Label] = [json.loads(line) for line in LABELS.read_text("utf-8").splitlines()]
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=1, help="of the embedding; with several, processor time counts their waiting too")
    threads = options.parse_args().threads
    embedder = load(asyncio.run(ensure_exported(models_folder())), EmbeddingsSettings(threads=threads), models_folder() / "compiled")
    for label in labels[:20]:
        measured(embedder, label)  # warms up
    agreeing = sum(only_agrees(prose_of(label["text"])) for label in labels)
    print(f"{len(labels)} labels, {sum(bool(label['context']) for label in labels)} with the reply before; {agreeing} only agree")
    found: dict[str, list[MeasuredPrompt]] = {name: [] for name in LENGTHS}
    for label in labels:  # in turn, so that what else runs slows both down
        for name, (beginning, end) in LENGTHS.items():
            with embedded_chars(beginning, end):
                found[name].append(measured(embedder, label))
    for name, (beginning, end) in LENGTHS.items():
        scores = np.stack([each.scores for each in found[name]])
        print(f"{name}: acceptable {wilson(int(acceptable_of(labels, scores.argmax(axis=1)).sum()), len(labels))}")
        print(f"  a prompt, with the embedding: {costs([each.whole for each in found[name]])}")
        print(f"  without it: {costs([each.without for each in found[name]])}")
        show_accuracy(labels, scores)
        with embedded_chars(beginning, end):
            show_held_out(embedder)


if __name__ == "__main__":
    main()
