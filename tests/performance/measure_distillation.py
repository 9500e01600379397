"""Distillation: what of a model's replies about real sessions becomes an item, beside what the rules extract, against labels and questions.

python tests/performance/measure_distillation.py [--vectors]

Needs the public evaluation data beside the project (CAIRN_EVAL_DATA). No model is asked: fake ones answer, so the figures say what the choice of
passages and the checks let through and hold back, and nothing about what a real model would find.

    well        knows the labels of `keep` and the proofs of the questions, and answers each that it is shown, quoted
    badly       every passage is an item, word by word: chatter, plans and all
    inventing   what `well` says, but one half quotes words that nobody said, the other half changes a number or adds a claim
    turning     what `well` says with one "not" less, or one more where it has none; what has neither is left out
    exchanging  what `well` says, the first and the last content word of a sentence exchanged
    nonsense    prose, half a JSON, other fields, another language

`keep` and `junk` are counted as in measure_extraction.py. A question counts as held where an item of its project, in its text or its excerpt, has
one of its proof strings; white space and case are ignored. --vectors lets the rules choose by the embedding model, as the product does (slower).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.knowledge.distillation.checking import check_reply
from app.knowledge.distillation.material import Batch, collect
from app.knowledge.distillation.prompt import INSTRUCTIONS, build_message
from app.knowledge.extraction import extract
from app.knowledge.item import ItemCandidate
from app.likeness.faithfulness import sentences
from app.sessions.event import Event
from app.settings import DistillationSettings
from app.tokens import count_text
from tests.performance.measure_extraction import DATA, holds, labels
from tests.performance.recall_data import Question, lines, questions
from tests.transcripts import sessions_of, transcripts_in

Reply = Callable[[Batch, Sequence[str]], str]
"""A fake model: the passages shown, the texts that it knows → its reply."""
Found = dict[str, list[ItemCandidate]]
"""Items by transcript."""


@dataclass(slots=True)
class Tally:
    """What a model cost and what became of its items."""

    items: Found = field(default_factory=lambda: defaultdict(list))
    calls: int = 0
    prompt_tokens: int = 0
    unreadable: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def normal(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


def well(batch: Batch, known: Sequence[str]) -> str:
    return _reply(_items(batch, known))


def badly(batch: Batch, known: Sequence[str]) -> str:
    del known
    return _reply([_item(number, each.text, each.text) for number, each in enumerate(batch, 1)])


def inventing(batch: Batch, known: Sequence[str]) -> str:
    made = _items(batch, known)
    for number, each in enumerate(made):
        if number % 2:
            each["quotes"][0]["words"] = "as everybody on the team agreed, " + each["quotes"][0]["words"]
        else:
            changed = re.sub(r"\d+", lambda found: str(int(found[0]) + 1), each["text"])
            each["text"] = changed if changed != each["text"] else f"{each['text']} Version 99.7 of it costs 4000 requests."
    return _reply(made)


def turning(batch: Batch, known: Sequence[str]) -> str:
    made = [(each, _without_not(each["text"])) for each in _items(batch, known)]
    return _reply([{**each, "text": text} for each, text in made if text != each["text"]])


def _without_not(text: str) -> str:
    """Take one "not" away; where there is none, add one."""
    turned = re.sub(r"\b(not|never|no) |n't\b", "", text, count=1)
    return turned if turned != text else re.sub(r"\b(is|are|was|must|should|can|will|the)\b", r"\1 not", text, count=1)


def exchanging(batch: Batch, known: Sequence[str]) -> str:
    made = [(each, _exchanged(each["text"])) for each in _items(batch, known)]
    return _reply([{**each, "text": text} for each, text in made if text != each["text"]])


def _exchanged(text: str) -> str:
    """Exchange the first and the last long word of the longest sentence."""
    sentence = max(sentences(text), key=len, default="")
    words = list(re.finditer(r"[^\W\d_]{4,}", sentence))
    if len(words) < 2 or words[0][0].casefold() == words[-1][0].casefold():
        return text
    first, last = words[0], words[-1]
    turned = sentence[: first.start()] + last[0] + sentence[first.end() : last.start()] + first[0] + sentence[last.end() :]
    return text.replace(sentence, turned, 1)


def nonsense(batch: Batch, known: Sequence[str]) -> str:
    made = _items(batch, known)
    french = "Le service doit toujours être redémarré à la main après chaque déploiement, sinon les connexions restent ouvertes."
    spoiled = [
        "I'm sorry, but I can't help with that.",
        _reply(made)[: max(1, len(_reply(made)) // 2)],
        json.dumps({"knowledge": made}),
        _reply([{**each, "title": french[:60], "text": french} for each in made]),
    ]
    return spoiled[batch[0].ordinal % len(spoiled)]


MODELS: dict[str, Reply] = {
    "well": well,
    "badly": badly,
    "inventing": inventing,
    "turning": turning,
    "exchanging": exchanging,
    "nonsense": nonsense,
}


def _items(batch: Batch, known: Sequence[str]) -> list[dict[str, Any]]:
    """An item for each known text that stands in a passage, with the lines around it as its text."""
    made: dict[str, dict[str, Any]] = {}
    for number, passage in enumerate(batch, 1):
        shown = normal(passage.text)
        for text in known:
            if normal(text) in shown:
                said = _around(passage.text, text)
                made.setdefault(said, _item(number, said, said))
    return list(made.values())


def _around(passage: str, text: str) -> str:
    """The whole lines of a passage in which a text stands; the passage where it spans them."""
    return next((line for line in passage.splitlines() if normal(text) in normal(line)), passage)


def _item(number: int, text: str, quoted: str) -> dict[str, Any]:
    said = " ".join(text.split())
    return {
        "title": " ".join(said.split()[:10])[:110],
        "text": said[:600],
        "type": "gotcha",
        "quotes": [{"passage": str(number), "words": quoted}],
    }


def _reply(items: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"items": items})


def distil(name: str, file: str, events: Sequence[Event], known: Sequence[str], tally: Tally) -> None:
    """Distil one session with the fake model of this name."""
    options = DistillationSettings()
    material = collect(enumerate(events, 1), file, after=0, until=len(events), batch_tokens=options.batch_tokens)
    for batch in (each for part in material.parts for each in part.batches):
        checked = check_reply(MODELS[name](batch, known), batch, material.corrections)
        tally.calls += 1
        tally.prompt_tokens += count_text(INSTRUCTIONS) + count_text(build_message(batch))
        tally.unreadable += not checked.readable
        tally.dropped.update(checked.dropped)
        tally.items[file] += checked.kept


def held(items: Found, asked: Sequence[Question], projects: dict[str, str]) -> float:
    """The share of the questions whose proof an item of their project holds."""
    said: dict[str, str] = defaultdict(str)
    for file, found in items.items():
        said[projects.get(file, "")] += "\n".join(normal(f"{each.title}\n{each.text}\n{each.excerpt}") for each in found)
    return sum(any(normal(proof) in said[each.project] for proof in each.must) for each in asked) / len(asked)


def row(items: Found, asked: Sequence[Question], projects: dict[str, str]) -> list[str]:
    keep, junk = labels("keep"), labels("junk")
    kept = sum(any(holds(item, each["text"]) for item in items.get(each["transcript"], ())) for each in keep)
    bad = sum(any(holds(item, each["text"], mostly=True) for item in items.get(each["transcript"], ())) for each in junk)
    total = sum(map(len, items.values()))
    return [str(total), f"{kept / len(keep):.2f}", f"{bad / len(junk):.2f}", f"{held(items, asked, projects):.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", action="store_true", help="let the rules choose by the embedding model")
    embed: Any = None
    if parser.parse_args().vectors:
        from tests.performance.recall_vectors import blocking_embedder

        embed = blocking_embedder().embed_blocking
    projects = {each["transcript"]: each["project"] for each in lines(DATA / "questions" / "uploads.jsonl")}
    asked = [each for each in questions(DATA) if each.answerable]
    proofs = defaultdict[str, list[str]](list)
    for each in asked:
        proofs[each.project] += each.must
    rules: Found = defaultdict(list)
    tallies = {name: Tally() for name in MODELS}
    for path in (file for name in ("transcripts", "agent-fixtures-multi") for file in transcripts_in(DATA / name)):
        file = str(path.relative_to(DATA))
        known = [each["text"] for each in labels("keep") if each["transcript"] == file] + proofs.get(projects.get(file, ""), [])
        for events in sessions_of(path):
            rules[file] += extract(events, embed)
            for name, tally in tallies.items():
                distil(name, file, events, known, tally)
    show(rules, tallies, asked, projects)


def show(rules: Found, tallies: dict[str, Tally], asked: Sequence[Question], projects: dict[str, str]) -> None:
    table = Table("items of", "items", "keep found", "junk kept", "questions held", "unreadable", "dropped")
    table.add_row("the rules alone", *row(rules, asked, projects), "", "")
    for name, tally in tallies.items():
        dropped = ", ".join(f"{reason} {count}" for reason, count in tally.dropped.most_common())
        table.add_row(f"a model that answers {name}", *row(tally.items, asked, projects), f"{tally.unreadable} of {tally.calls}", dropped)
        both = {file: [*rules.get(file, ()), *tally.items.get(file, ())] for file in rules.keys() | tally.items.keys()}
        table.add_row("… beside the rules", *row(both, asked, projects), "", "")
    Console(width=180).print(table)
    one = tallies["well"]
    print(f"{one.calls} calls, {one.prompt_tokens / max(1, one.calls):.0f} prompt tokens each; {one.prompt_tokens:,} in all.")


if __name__ == "__main__":
    main()
