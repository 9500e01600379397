"""Similar sessions, measured: does the temporal embedding find the same kind of trouble better than chance, and than the text vector alone?

nice python tests/performance/measure_similar.py LABELS_FOLDER

Reads `health.jsonl` (windows of real sessions; see its README). Each window asks for its five nearest ones of other sessions; told is the
share of neighbours with the same health, and by a vote whether it is in trouble at all. Chance: the labels shuffled 2,000 times, within each
agent's transcripts, since agents differ in both shape and trouble. Nothing is fitted here, so all windows are held out.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.sessions.event import Event
from app.trajectory.embedding import GROUPS, temporal_embedding
from app.trajectory.events.steps import SessionStep, steps_of
from app.trajectory.shapes.builder import shape_of
from app.trajectory.shapes.course import CHANNELS
from app.trajectory.similar.ranking import likeness
from tests.fakes.models import uncached_embedder
from tests.performance.measure import percentile
from tests.transcripts import sessions_of

NEIGHBOURS, SHUFFLES, RESAMPLES = 5, 2_000, 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A labelled window with its steps. `source`: the agent that wrote its transcript."""

    health: str
    transcript: str
    source: str
    steps: list[SessionStep]


def read_windows(labels: Path) -> Iterator[LabelledWindow]:
    """Yield the real windows whose events the parsers find by their lines."""
    parsed: dict[str, list[tuple[int, Event]]] = {}
    for line in (labels / "health.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row.get("synthetic"):
            continue
        name = row["transcript"]
        if name not in parsed:
            events = [each for session in sessions_of(labels.parent / name) for each in session]
            parsed[name] = [(int(found[1]), each) for each in events if (found := re.match(r"L(\d+)", each.locator))]
        window = row["window"]
        inside = [each for place, each in parsed[name] if window["start_line"] <= place <= window["end_line"]]
        yield LabelledWindow(row["health"], name, name.split("/")[1], list(steps_of(enumerate(inside, 1))))


def ranked(similar: Floats, windows: list[LabelledWindow]) -> NDArray[np.intp]:
    """Return each window's nearest windows of other transcripts, the nearest first."""
    names = np.array([each.transcript for each in windows])
    masked = np.where(names[:, None] == names[None, :], -np.inf, similar)
    return np.argsort(-masked, axis=1, kind="stable")[:, :NEIGHBOURS]


def agreement(nearest: NDArray[np.intp], labels: NDArray[np.str_]) -> Floats:
    """Return, for each window, the share of its neighbours that have its label."""
    shares: Floats = (labels[nearest] == labels[:, None]).mean(axis=1)
    return shares


def shuffled(nearest: NDArray[np.intp], labels: NDArray[np.str_], sources: NDArray[np.str_], generator: np.random.Generator) -> Floats:
    """Return the mean agreement of shuffled labels, each shuffle within the sources."""
    means = np.empty(SHUFFLES)
    for round_ in range(SHUFFLES):
        mixed = labels.copy()
        for source in np.unique(sources):
            places = np.flatnonzero(sources == source)
            mixed[places] = labels[generator.permutation(places)]
        means[round_] = agreement(nearest, mixed).mean()
    return means


def tell(name: str, similar: Floats, windows: list[LabelledWindow]) -> None:
    """Print a way's agreement with a bootstrap interval, chance, the permutation's p, for all health labels and for trouble alone."""
    generator = np.random.default_rng(20)
    nearest, sources = ranked(similar, windows), np.array([each.source for each in windows])
    health = np.array([each.health for each in windows])
    said = [f"{name:34s}"]
    for labels in (health, np.where(health == "on_track", "fine", "trouble")):
        got, chance = agreement(nearest, labels), shuffled(nearest, labels, sources, generator)
        means = generator.choice(got, (RESAMPLES, len(got))).mean(axis=1)
        p = (1 + (chance >= got.mean()).sum()) / (1 + SHUFFLES)
        said.append(
            f"{got.mean():.3f} [{percentile(means, 0.025):.3f}, {percentile(means, 0.975):.3f}] chance {chance.mean():.3f} p {p:.3f}"
        )
    print("  ".join(said))


async def text_vectors(windows: list[LabelledWindow]) -> Floats:
    """Return each window's mean vector of what its steps say, call and answer."""
    vectors = []
    async with uncached_embedder() as embedder:
        for window in windows:
            texts = [f"{each.tool} {each.text[:600]} {each.error}" for each in window.steps]
            vectors.append((await embedder.embed(texts)).astype(np.float64).mean(axis=0))
    unit: Floats = np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def main() -> None:
    windows = [each for each in read_windows(Path(sys.argv[1])) if each.steps]
    shapes = [shape_of(each.steps) for each in windows]
    began = time.process_time()
    vectors = np.array([temporal_embedding(each.course.series()) for each in shapes], dtype=np.float64)
    print(f"{len(windows)} windows, {(time.process_time() - began) * 1000 / len(windows):.2f} ms of processor time an embedding")
    print(f"{'':34s}  all four labels; then trouble or not")
    text, time_ = asyncio.run(text_vectors(windows)), vectors @ vectors.T
    words = text @ text.T
    phases = np.array([[likeness(one.symbols, other.symbols).score for other in shapes] for one in shapes])
    tell("temporal embedding", time_, windows)
    tell("text vector", words, windows)
    tell("phases (common subsequence)", phases, windows)
    tell("temporal + text", _standard(time_) + _standard(words), windows)
    tell("temporal + phases", _standard(time_) + _standard(phases), windows)
    tell("text + phases", _standard(words) + _standard(phases), windows)
    for name, part in GROUPS.items():
        tell(f"  {name} alone", vectors[:, part] @ vectors[:, part].T, windows)
        kept = np.delete(vectors, np.r_[part], axis=1)
        tell(f"  without {name}", _cosine(kept), windows)
    for place, name in enumerate(CHANNELS):
        courses = [each.course.series() for each in shapes]
        alone = [temporal_embedding(np.where(np.arange(len(CHANNELS))[:, None] == place, each, 0.0)) for each in courses]
        tell(f"  channel {name} alone", _cosine(np.array(alone, dtype=np.float64)), windows)
        without = [temporal_embedding(np.where(np.arange(len(CHANNELS))[:, None] == place, 0.0, each)) for each in courses]
        tell(f"  without channel {name}", _cosine(np.array(without, dtype=np.float64)), windows)


def _cosine(vectors: Floats) -> Floats:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similar: Floats = unit @ unit.T
    return similar


def _standard(similar: Floats) -> Floats:
    standard: Floats = (similar - similar.mean()) / similar.std()
    return standard


if __name__ == "__main__":
    main()
