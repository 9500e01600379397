"""Extraction: what of real sessions becomes an item, against labels. No example was made from them; rules and constants were chosen with them in view.

python tests/performance/measure_extraction.py [--titles] [--missed]

Needs the public evaluation data beside the project (CAIRN_EVAL_DATA). A label of `keep` counts as found when an item of its transcript holds at least
60 % of the label's content words (words of three or more letters that are no stop words, digits and identifiers; Chinese in pairs of characters) in its
text or in its excerpt, or holds the label whole. `junk` counts as kept by the same rule, but only where the label makes up most of the item (60 % of the
item's words too): an item may quote a word of chatter. The type counts among the labels found, for any item that found it.
Sessions of data/transcripts that changed a file: how many have one to four items.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.knowledge.extraction import extract
from app.knowledge.extraction.exchanges import exchanges
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.item import ItemCandidate
from app.sessions.event import Event
from tests.performance.measure import Figure, show
from tests.performance.recall_vectors import blocking_embedder
from tests.transcripts import sessions_of, transcripts_in

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SHARE = 0.6
_WORD = re.compile(r"[\u3400-\u9fff]+|[^\W_]+(?:_[^\W_]+)*")
_STOP = frozenset(
    re.findall(
        r"\w+",
        "the and for that this with from are was were has have had not but into its their they them then than which when where what will would can could "
        "should you your our his her she him any all also only just been being does did done use used uses using",
    )
)


@dataclass(frozen=True, slots=True)
class Read:
    file: Path
    events: list[Event]
    items: list[ItemCandidate]


def words(text: str) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(text.casefold()):
        if "\u3400" <= word[0] <= "\u9fff":
            found.update(word[place : place + 2] for place in range(max(1, len(word) - 1)))
        elif (len(word) > 2 or word.isdigit()) and word not in _STOP:
            found.add(word)
    return found


def holds(item: ItemCandidate, label: str, *, mostly: bool = False) -> bool:
    wanted = words(label)
    for text in (item.text, item.excerpt):
        has = words(text)
        share = len(wanted & has) / len(wanted) if wanted else 0.0
        if (share >= SHARE or label.strip() in text) and (not mostly or len(wanted & has) >= SHARE * len(has)):
            return True
    return False


def read(folder: Path, embed: Callable[[Sequence[str]], Any]) -> Iterator[Read]:
    for file in transcripts_in(folder):
        for events in sessions_of(file):
            yield Read(file, events, extract(events, embed))


def labels(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / "labels" / f"{name}.jsonl").read_text().splitlines()]


def figures(done: Sequence[Read], seconds: float, *, missed: bool) -> list[Figure]:
    items: dict[str, list[ItemCandidate]] = {}
    for each in done:
        items.setdefault(str(each.file.relative_to(DATA)), []).extend(each.items)
    found = typed = kept = 0
    keep = [each for each in labels("keep") if each["transcript"] in items]
    for label in keep:
        hits = [item for item in items[label["transcript"]] if holds(item, label["text"])]
        found += bool(hits)
        typed += any(item.type in (label["type"], *label.get("acceptable_types", ())) for item in hits)
        if missed and not hits:
            print("missed:", label["id"], label["type"], label["text"][:200].replace("\n", "⏎"))
    junk = [each for each in labels("junk") if each["transcript"] in items]
    for label in junk:
        hits = [item for item in items[label["transcript"]] if holds(item, label["text"], mostly=True)]
        kept += bool(hits)
        if missed and hits:
            print("junk kept:", label["kind"], label["text"][:120].replace("\n", "⏎"), "->", hits[0].title)
    real = [each for each in done if "transcripts" in each.file.parts]
    changed = [len(each.items) for each in real if any(one.changed_files for one in exchanges(each.events, SessionMemory()))]
    total = [item for each in done for item in each.items]
    return [
        Figure("extraction", f"keep found as an item, of {len(keep)}", "", found / len(keep), 0.70, at_least=True),
        Figure("extraction", "type acceptable, of those found", "", typed / max(1, found), 0.75, at_least=True),
        Figure("extraction", f"junk kept, of {len(junk)}", "", kept / len(junk), 0.05),
        Figure("extraction", "items", "", len(total)),
        Figure("extraction", "items a session that changed a file, median", "", statistics.median(changed), 1, at_least=True),
        Figure("extraction", f"… with 1 to 4, of {len(changed)} sessions", "", sum(1 <= each <= 4 for each in changed) / len(changed)),
        Figure("extraction", "… with none", "", sum(each == 0 for each in changed) / len(changed)),
        Figure("extraction", f"all {len(done)} sessions read and extracted", "s", seconds),
    ]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--titles", action="store_true", help="print every item's type, title and text")
    arguments.add_argument("--missed", action="store_true", help="print the labels that were missed, and the junk that was kept")
    chosen = arguments.parse_args()
    embedder = blocking_embedder()
    begun = perf_counter()
    done = [each for name in ("transcripts", "agent-fixtures-multi") for each in read(DATA / name, embedder.embed_blocking)]
    taken = perf_counter() - begun
    if chosen.titles:
        for each in done:
            for item in each.items:
                print(f"{item.confidence:.2f} {item.type}: {item.title}\n       {item.text}")
    show(figures(done, taken, missed=chosen.missed))
