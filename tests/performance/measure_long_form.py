"""What the 1536-dim long-form encoder is worth: python tests/performance/measure_long_form.py [--part=search|dedup|speed|all]

search: nDCG@10 and recall@10 on Cranfield and on long passages of real sessions (what an agent replied to a prompt), for the 384 dims
of today, for the formula that was chosen and for those that were not; by the dense vector alone, and as `relevance()` ranks the fused
candidates. dedup: pairs of passages that begin alike and end otherwise, and pairs that say the same. speed: a passage of four windows.
Reads ../shared/data (CAIRN_EVAL_DATA). Made docs/decisions/0016-long-form.md. Search takes minutes: it embeds 10,000 windows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.embeddings import Embedder
from app.embeddings.longform import DIMS, LongForm, agreement, closeness, local_long_form, parts_of
from app.embeddings.model import ensure_exported
from app.embeddings.tokenizer import MAX_TOKENS
from app.embeddings.windows import PARTS
from app.knowledge.extraction import extract
from app.knowledge.extraction.exchanges import exchanges
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.extraction.prose import statements
from app.knowledge.relevance import QuestionTerms
from app.likeness import differing
from app.settings import EmbeddingsSettings
from app.storage.vectors import lexical
from app.storage.vectors.recipe import RRF_K
from tests.fakes.models import models_folder, uncached_embedder
from tests.performance.measure import percentile, timed
from tests.running import ROOT
from tests.transcripts import sessions_of, transcripts_in

Floats = NDArray[np.floating]
SEED, CANDIDATES, DEPTH = 7, 50, 10
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Task:
    """Questions over passages: each with the passages that answer it, and how well (1 to 4)."""

    name: str
    passages: Sequence[str]
    questions: Sequence[tuple[str, dict[int, int]]]


@dataclass(slots=True)
class Encoded:
    """Passages as vectors. `head`: today's. `long`: the encoder under test. `windows`: cut otherwise, by name."""

    head: NDArray[np.float32]
    long: list[NDArray[np.float32] | None]
    windows: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)


Formula = Callable[[Encoded, NDArray[np.float32]], Floats]


def cranfield(data: Path) -> Task:
    documents = json.loads((data / "cranfield" / "cranfield_data.json").read_text())
    places = {each["id"]: place for place, each in enumerate(documents)}
    answers: dict[int, dict[int, int]] = {}
    for row in json.loads((data / "cranfield" / "cranqrel.json").read_text()):
        answers.setdefault(int(row["query_num"]), {})[places[int(row["id"])]] = 5 - row["position"]
    asked = [each["query"] for each in json.loads((data / "cranfield" / "cran.qry.json").read_text()) if each["query"]]
    questions = [(text, answers[number]) for number, text in enumerate(asked, 1) if number in answers]
    return Task("Cranfield", [f"{each['title']}\n{each['body']}" for each in documents], questions)


def sessions(data: Path) -> list[Task]:
    """What agents replied, asked for in four ways, from the nearest to a person's question to the nearest to the text."""
    chance = random.Random(SEED)
    passages: dict[str, int] = {}
    of_folder: dict[str, set[int]] = {}
    prompts: dict[str, dict[int, int]] = {}
    titles: dict[str, dict[int, int]] = {}
    sentences: dict[str, dict[int, int]] = {}
    for file in transcripts_in(data / "transcripts"):
        for session in sessions_of(file):
            of_event: dict[str, int] = {}
            for exchange in exchanges(session, SessionMemory()):
                text = "\n\n".join(event.text for event in exchange.replies)[:40_000]
                if len(text) < 40:
                    continue
                place = passages.setdefault(text, len(passages))
                of_event.update(dict.fromkeys((event.id for event in exchange.replies), place))
                of_folder.setdefault(file.parent.name, set()).add(place)
                if 20 <= len(exchange.asked.strip()) <= 1500:
                    prompts.setdefault(exchange.asked.strip(), {})[place] = 1
                said = [each.text for reply in exchange.replies for each in statements(reply) if 40 <= len(each.text) <= 300]
                for quarter in range(4) if len(text) > 1100 and len(said) >= 8 else ():
                    chosen = chance.choice(said[quarter * len(said) // 4 : (quarter + 1) * len(said) // 4])
                    sentences.setdefault(chosen, {})[place] = 1
            for item in extract(session):
                if item.event_id in of_event:
                    titles.setdefault(item.title, {})[of_event[item.event_id]] = 1
    learnt: dict[str, dict[int, int]] = {}
    for line in (data / "transcripts" / "entire-checkpoints" / "gold_summaries.jsonl").read_text().splitlines():
        row = json.loads(line)
        answering = of_folder.get("_".join(row["path"].split("/")[:3]), set())
        for text in _learnings(row["summary"]) if answering else ():
            learnt.setdefault(text, {}).update(dict.fromkeys(answering, 1))
    asked = {
        "prompt → reply": prompts,
        "item's title → reply": titles,
        "what was learnt → session": learnt,
        "a sentence → reply": sentences,
    }
    return [Task(name, list(passages), list(questions.items())) for name, questions in asked.items()]


def _learnings(summary: dict[str, object]) -> Iterator[str]:
    learnings = summary.get("learnings", {})
    assert isinstance(learnings, dict)
    said = [*learnings.get("repo", []), *(each["finding"] for each in learnings.get("code", [])), *learnings.get("workflow", [])]
    yield from (each for each in (*said, *summary.get("friction", []), summary["intent"], summary["outcome"]) if isinstance(each, str))  # type: ignore[misc]


def aspects(text: str) -> list[str]:
    """Title and claim; body; code and identifiers; evidence (how it ends)."""
    code = " ".join([*_CODE.findall(text), *dict.fromkeys(lexical.codes(text))])
    said = [each for each in re.split(r"(?<=[.!?。])\s+|\n+", _CODE.sub(" ", text)) if each.strip()] or [text]
    last = max(1, len(said) // 4)
    head, body, tail = " ".join(said[:2]), " ".join(said[2:-last] or said[:2]), " ".join(said[-last:])
    return [head, body, code if len(code.strip()) > 3 else head, tail]


async def encode(embedder: Embedder, long_form: LongForm, cut: Callable[[str, int], list[str]], passages: Sequence[str]) -> Encoded:
    made = Encoded(await embedder.embed(passages), [])
    for start in track(range(0, len(passages), 50), "windows"):
        made.long += await long_form.embed(passages[start : start + 50])
    ways: dict[str, Callable[[str], list[str]]] = {
        "aspects": aspects,
        "windows of 256": lambda t: cut(t, 254),
        "windows of 64": lambda t: cut(t, 62),
    }
    for name, way in ways.items():
        parts = [way(text) for text in passages]
        flat = [part for each in parts for part in each]
        vectors = np.vstack([await embedder.embed(flat[start : start + 256]) for start in track(range(0, len(flat), 256), name)])
        made.windows[name] = np.split(vectors, np.cumsum([len(each) for each in parts])[:-1])
    return made


def _best(windows: Sequence[NDArray[np.float32]], asked: NDArray[np.float32]) -> Floats:
    return np.stack([(asked @ each.T).max(axis=1) for each in windows], axis=1)


def _mean(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    summed = np.stack([each.sum(axis=0) for each in windows])
    mean: NDArray[np.float32] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    return mean


def _whole(made: Encoded) -> list[NDArray[np.float32]]:
    return [parts_of(head, long) for head, long in zip(made.head, made.long, strict=True)]


FORMULAS: dict[str, Formula] = {
    "384 dims of the first 256 tokens (before)": lambda made, asked: asked @ made.head.T,
    "chosen: ½ head + ½ best of 4 windows": lambda made, asked: np.array(
        [[closeness(each, head, long) for head, long in zip(made.head, made.long, strict=True)] for each in asked]
    ),
    "4 windows, cosine of all 1536": lambda made, asked: np.stack([(asked @ each.T).mean(axis=1) for each in _whole(made)], axis=1),
    "4 windows, best": lambda made, asked: _best(_whole(made), asked),
    "4 windows, ½ mean + ½ best": lambda made, asked: 0.5 * (asked @ _mean(_whole(made)).T) + 0.5 * _best(_whole(made), asked),
    "4 windows, better of head and best": lambda made, asked: np.maximum(asked @ made.head.T, _best(_whole(made), asked)),
    "4 windows, their mean (384)": lambda made, asked: asked @ _mean(_whole(made)).T,
    "windows of 256, their mean (384)": lambda made, asked: asked @ _mean(made.windows["windows of 256"]).T,
    "windows of 256, best": lambda made, asked: _best(made.windows["windows of 256"], asked),
    "aspects, cosine of all 1536": lambda made, asked: np.stack(
        [(asked @ each.T).mean(axis=1) for each in made.windows["aspects"]], axis=1
    ),
    "aspects, ½ head + ½ best": lambda made, asked: 0.5 * (asked @ made.head.T) + 0.5 * _best(made.windows["aspects"], asked),
    "16 windows of 64 (6,144 dims), ½ head + ½ best": lambda made, asked: (
        0.5 * (asked @ made.head.T) + 0.5 * _best(made.windows["windows of 64"], asked)
    ),
}


def words_of(task: Task) -> Floats:
    """BM25 of every question and passage, as the index computes it."""
    documents = [lexical.document(text) for text in task.passages]
    postings: dict[int, list[tuple[int, float]]] = {}
    for place, document in enumerate(documents):
        for term, weight in zip(document.indices, document.values, strict=True):
            postings.setdefault(term, []).append((place, weight))
    scores = np.zeros((len(task.questions), len(documents)))
    for row, (text, _) in enumerate(task.questions):
        for term in lexical.query(text).indices:
            found = postings.get(term, [])
            rarity = np.log(1 + (len(documents) - len(found) + 0.5) / (len(found) + 0.5))
            for place, weight in found:
                scores[row, place] += rarity * weight
    return scores


def ranked(task: Task, scores: Floats, candidates: NDArray[np.int64]) -> Floats:
    """What a search shows: the candidates by `QuestionTerms.relevance`, with this cosine in it."""
    found = [lexical.distinct(text) for text in task.passages]
    shown = np.full(scores.shape, -1.0)
    for row, (text, _) in enumerate(task.questions):
        asked = QuestionTerms(lexical.terms(text), lexical.codes(text))
        for place in candidates[row]:
            shown[row, place] = asked.relevance(float(scores[row, place]), found[place]).score
    return shown


def fused(dense: Floats, words: Floats) -> NDArray[np.int64]:
    """The candidates: reciprocal ranks of both sides, as the engine fuses them."""
    places = [np.argsort(np.argsort(-side, axis=1, kind="stable"), axis=1, kind="stable") for side in (dense, words)]
    parts = [np.where(place < CANDIDATES, 1 / (RRF_K + place + 1), 0) for place in places]
    return np.argsort(-(parts[0] + np.where(words > 0, parts[1], 0)), axis=1, kind="stable")[:, :CANDIDATES]


def quality(scores: Floats, questions: Sequence[tuple[str, dict[int, int]]]) -> tuple[float, float]:
    """nDCG@10 and recall@10, means over the questions that have an answer."""
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    gains, recalls = [], []
    for row, (_, answers) in enumerate(questions):
        if answers:
            best = np.argsort(-scores[row], kind="stable")[:DEPTH]
            got = np.array([answers.get(int(place), 0) for place in best])
            ideal = np.array(sorted(answers.values(), reverse=True)[:DEPTH])
            gains.append(float((got * discount[: len(got)]).sum() / (ideal * discount[: len(ideal)]).sum()))
            recalls.append((got > 0).sum() / len(answers))
    return float(np.mean(gains)), float(np.mean(recalls))


async def search(console: Console, embedder: Embedder, long_form: LongForm, cut: Callable[[str, int], list[str]], data: Path) -> None:
    tasks = [cranfield(data), *sessions(data)]
    encoded: dict[int, Encoded] = {}
    for task in tasks:
        key = id(task.passages) if task is tasks[0] else 0  # the sessions' tasks ask the same passages
        if key not in encoded:
            encoded[key] = await encode(embedder, long_form, cut, task.passages)
        made, asked, words = encoded[key], await embedder.embed([text for text, _ in task.questions]), words_of(task)
        long_only = [
            (text, {place: gain for place, gain in answers.items() if made.long[place] is not None}) for text, answers in task.questions
        ]
        candidates = fused(asked @ made.head.T, words)
        reached = np.mean(
            [np.mean([place in row for place in answers]) for row, (_, answers) in zip(candidates, task.questions, strict=True)]
        )
        table = Table(
            "",
            "dense, all",
            "dense, long",
            "ranked, all",
            "ranked, long",
            title=(
                f"{task.name}: {len(task.questions)} questions, {len(task.passages)} passages, {sum(each is not None for each in made.long)} of them long; "
                f"{reached:.1%} of the answers are among the {CANDIDATES} candidates"
            ),
        )
        for name, formula in FORMULAS.items():
            scores = np.asarray(formula(made, asked), dtype=np.float64)
            shown = ranked(task, scores, candidates)
            cells = [quality(each, questions) for each in (scores, shown) for questions in (task.questions, long_only)]
            table.add_row(name, *(f"{gain:.3f} {recall:.3f}" for gain, recall in cells))
        console.print(table)
    everyday = [text for text, _ in json.loads((data / "clinc150" / "data_small.json").read_text())["oos_test"][:500]]
    python = [each["doc"] for each in json.loads((data / "cosqa" / "cosqa-retrieval-test-500.json").read_text())]
    for name, texts in {"CLINC150": everyday, "CoSQA": python}.items():
        task = Task(name, tasks[1].passages, [(text, {}) for text in texts])
        made, asked = encoded[0], await embedder.embed(texts)
        candidates = fused(asked @ made.head.T, words_of(task))
        shows = {
            label: (ranked(task, np.asarray(FORMULAS[label](made, asked)), candidates).max(axis=1) >= 0.30).mean()
            for label in list(FORMULAS)[:2]
        }
        console.print(
            f"{name}, {len(texts)} unrelated questions to the sessions' passages, something is shown: "
            + "; ".join(f"{label}: {share:.1%}" for label, share in shows.items())
        )


async def dedup(console: Console, embedder: Embedder, long_form: LongForm, data: Path) -> None:
    """Would they be merged? Before: a cosine of 0.95 and nothing exact that differs. Now: the cosine of all 1536 dims too."""
    chance = random.Random(SEED)
    passages = [text for text in sessions(data)[0].passages if len(text) > 2400]
    longs = await long_form.embed(passages)
    passages = [text[:6000] for text, long in zip(passages, longs, strict=True) if long is not None]
    pairs: dict[str, list[tuple[str, str]]] = {
        "end otherwise": [],
        "end otherwise, no digit or code in the end": [],
        "say the same, other spaces and marks": [],
        "say the same, a filler less": [],
    }
    for text in passages:
        other = chance.choice(passages)
        keep = text[:1600].rsplit(" ", 1)[0]
        tail = other[-800:].split(" ", 1)[-1]
        pairs["end otherwise"].append((f"{keep} {text[1600:2400]}", f"{keep} {tail}"))
        plain = [" ".join(word for word in part.split() if word.isalpha()) for part in (text[1600:2400], tail)]
        pairs["end otherwise, no digit or code in the end"].append((f"{keep} {plain[0]}", f"{keep} {plain[1]}"))
        pairs["say the same, other spaces and marks"].append((text, re.sub(r"\s+", " ", text.replace("**", "").replace("!", "."))))
        pairs["say the same, a filler less"].append(
            (text, re.sub(r"\b(?:just|now|also|really|very|successfully|perfect(?:ly)?)\b ?", "", text, flags=re.IGNORECASE))
        )
    table = Table(
        "pairs",
        "before: cosine",
        "before: merged",
        "now: cosine",
        "now: merged",
        title=f"{len(passages)} long passages; a threshold of 0.95",
    )
    for name, made in pairs.items():
        found = [pair for pair in made if pair[0] != pair[1]]
        sides = [list(side) for side in zip(*found, strict=True)]
        heads = [await embedder.embed(side) for side in sides]
        wholes = [
            [parts_of(head, long) for head, long in zip(vectors, await long_form.embed(side), strict=True)]
            for vectors, side in zip(heads, sides, strict=True)
        ]
        near = (heads[0] * heads[1]).sum(axis=1) >= 0.95
        agreed = near & np.array([agreement(one, two) >= 0.95 for one, two in zip(*wholes, strict=True)])
        allowed = np.array([not differing(*pair) for pair in found])
        table.add_row(f"{name} ({len(found)})", *(f"{share.mean():.1%}" for share in (near, near & allowed, agreed, agreed & allowed)))
    console.print(table)
    short = [line.split("\t") for file in sorted((data / "sts-dups").glob("*.tsv")) for line in file.read_text().splitlines()]
    texts = [text for row in short if len(row) == 3 and row[0] for text in row[1:]]
    changed = sum(long is not None for long in await long_form.embed(texts))
    console.print(
        f"sts-dups: {len(texts)} sentences, {changed} of them longer than the model reads: their vectors and merges are as before"
    )


async def speed(console: Console, embedder: Embedder, long_form: LongForm, data: Path) -> None:
    passages = [text for text in sessions(data)[0].passages if len(text) > 6000]
    asked = iter(f"{number} {passages[number % len(passages)]}" for number in range(10_000))
    took = await timed(lambda: long_form.embed([next(asked)]), iterations=80, warm_up=10)
    console.print(
        f"a passage of {PARTS} × {MAX_TOKENS} tokens → {DIMS} dims: p50 {percentile(took, 0.5):.1f} ms, p95 {percentile(took, 0.95):.1f} ms"
    )


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["search", "dedup", "speed", "all"], default="all")
    part = parser.parse_args().part
    data = Path(os.environ.get("CAIRN_EVAL_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        print(f"{data} is absent (CAIRN_EVAL_DATA)", file=sys.stderr)
        return 1
    console = Console(width=170)
    model = await ensure_exported(models_folder())
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def cut(text: str, size: int) -> list[str]:
        """Up to 984 tokens in windows of this many."""
        offsets = tokenizer.encode(text[:40_000], add_special_tokens=False).offsets[:984]
        return [text[offsets[start][0] : offsets[min(start + size, len(offsets)) - 1][1]] for start in range(0, len(offsets), size)] or [
            text
        ]

    async with uncached_embedder(EmbeddingsSettings(device="cpu")) as embedder:
        long_form = local_long_form(embedder, models_folder())
        if part in {"speed", "all"}:
            await speed(console, embedder, long_form, data)
        if part in {"dedup", "all"}:
            await dedup(console, embedder, long_form, data)
        if part in {"search", "all"}:
            await search(console, embedder, long_form, cut, data)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
