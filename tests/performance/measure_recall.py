"""How much of what was said is found: recall on every set of ../shared/data, without a server or a database.

python tests/performance/measure_recall.py [--sets questions,devmem,cranfield,cosqa] [--verbose]

Transcripts are parsed, redacted and cut as the product does it; an index in memory stands for the two legs (60 candidates each). Vectors are
kept under /tmp/cairn-recall-UID: the first run embeds 11,000 texts (several minutes on two cores), a later one takes seconds.
A question is answered when a returned text holds one of its proof strings, at most 1,500 tokens returned for all results together;
devmem's sessions are those of the results, in their order.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from rich.console import Console
from rich.table import Table

from app.knowledge.passages import rank_passages
from app.knowledge.passages.composing import MAX_TOKENS
from app.knowledge.passages.ranking import WEIGHTS, Weights, rank_candidates
from tests.performance.recall_data import Question, data_folder, devmem, document, project_passages, questions
from tests.performance.recall_index import Index
from tests.performance.recall_vectors import embedded, encoded_questions

LEGS = {
    "BM25": Weights(bm25=1, dense=0, late=0, code=0),
    "dense": Weights(bm25=0, dense=1, late=0, code=0),
    "both": Weights(late=0),
    "with late interaction": WEIGHTS,
}
Row = tuple[Question, int, int]
"""A question, the rank of the first answering result, and of the first with only the old state; 99: none."""


def normal(text: str) -> str:
    return re.sub(r"\s+", " ", text).lower()


def answered(data: Path, weights: Weights) -> tuple[list[Row], float]:
    """A row for each answerable question, and the processor's milliseconds of ranking and composing one."""
    indexes = {
        name: Index(found, embedded("passages", [each.indexed for each in found]), name)
        for name, found in project_passages(data).items()
        if found
    }
    asked = [each for each in questions(data) if each.answerable]
    rows, spent = [], 0.0
    for each, encoded in zip(asked, encoded_questions("questions", [one.text for one in asked]), strict=True):
        index = indexes[each.project]
        question, candidates = index.found(each.text, encoded, weights=weights)
        began = process_time()
        answer = rank_passages(question, candidates, index.around, weights=weights)
        spent += process_time() - began
        texts = [normal(result.text) for result in answer.results]
        rows.append((each, first(texts, each.must), first(texts, each.stale)))
    return rows, spent / len(rows) * 1000


def first(texts: Sequence[str], proofs: Sequence[str]) -> int:
    return next((rank for rank, text in enumerate(texts, 1) if any(normal(proof) in text for proof in proofs)), 99)


def recall(rows: Sequence[Row], k: int) -> float:
    return sum(rank <= k for _, rank, _ in rows) / max(len(rows), 1)


def of_devmem(data: Path, weights: Weights) -> tuple[float, float]:
    passages, asked = devmem(data)
    index = Index(passages, embedded("devmem", [each.indexed for each in passages]))
    asked = [each for each in asked if each["questionType"] != "abstention" and each["haystackSessionIds"]]
    hits = alls = 0
    for each, encoded in zip(asked, encoded_questions("devmem", [one["question"] for one in asked]), strict=True):
        question, candidates = index.found(each["question"], encoded, weights=weights)
        answer = rank_passages(question, candidates, index.around, weights=weights)
        sessions = list(dict.fromkeys(one.candidate.session for one in answer.results))
        hits += sessions[0] in each["haystackSessionIds"]
        alls += set(each["haystackSessionIds"]) <= set(sessions[:5])
    return hits / len(asked), alls / len(asked)


def of_cranfield(data: Path, weights: Weights) -> float:
    """nDCG@10; a document of relevance 1 (the most) to 4 gains 5 minus it; the collection's -1 counts as 1."""
    texts = {
        str(each["id"]): f"{each['title']}\n{each['body']}" for each in json.loads((data / "cranfield/cranfield_data.json").read_text())
    }
    index = Index([document(*each) for each in texts.items()], embedded("cranfield", list(texts.values())))
    gains: dict[str, dict[str, int]] = {}
    for each in json.loads((data / "cranfield/cranqrel.json").read_text()):
        gains.setdefault(each["query_num"], {})[each["id"]] = 5 - max(1, abs(each["position"])) if each["position"] <= 4 else 0
    asked = [str(each["query"]) for each in json.loads((data / "cranfield/cran.qry.json").read_text())]
    found = []
    for number, (text, encoded) in enumerate(zip(asked, encoded_questions("cranfield", asked), strict=True), 1):
        question, candidates = index.found(text, encoded, weights=weights)
        gain = gains.get(str(number), {})
        got = [gain.get(each.candidate.session, 0) for each in rank_candidates(question, candidates, weights).scored[:10]]
        best = dcg(sorted(gain.values(), reverse=True)[:10])
        found.append(dcg(got) / best if best else 0.0)
    return float(np.mean(found))


def dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def of_cosqa(data: Path, weights: Weights) -> float:
    """MRR@100 of the 500 test queries over the pool, of the candidates that are read."""
    pool = json.loads((data / "cosqa/code_idx_map.txt").read_text())
    index = Index([document(str(number), code) for code, number in pool.items()], embedded("cosqa", list(pool)))
    asked = json.loads((data / "cosqa/cosqa-retrieval-test-500.json").read_text())
    found = []
    for each, encoded in zip(asked, encoded_questions("cosqa", [one["doc"] for one in asked]), strict=True):
        question, candidates = index.found(each["doc"], encoded, weights=weights)
        order = [one.candidate.session for one in rank_candidates(question, candidates, weights).scored]
        wanted = str(each["retrieval_idx"])
        found.append(1 / (order.index(wanted) + 1) if wanted in order else 0.0)
    return float(np.mean(found))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="questions,devmem,cranfield,cosqa")
    parser.add_argument("--verbose", action="store_true", help="print the questions that are not answered within five results")
    options = parser.parse_args()
    data, began = data_folder(), perf_counter()
    if not data.is_dir():
        print(f"{data} is absent (CAIRN_EVAL_DATA)", file=sys.stderr)
        return 1
    wanted = options.sets.split(",")
    table = Table("measure", *LEGS, title=f"at most {MAX_TOKENS} tokens returned")
    columns: dict[str, dict[str, str]] = {}
    for leg, weights in LEGS.items():
        column = columns.setdefault(leg, {})
        if "questions" in wanted:
            rows, spent = answered(data, weights)
            column |= _questions(rows) | {"rank and compose, ms of CPU": f"{spent:.1f}"}
        if "devmem" in wanted:
            column["devmem hit@1 · all@5"] = " · ".join(f"{value:.3f}" for value in of_devmem(data, weights))
        if "cranfield" in wanted:
            column["Cranfield nDCG@10"] = f"{of_cranfield(data, weights):.3f}"
        if "cosqa" in wanted:
            column["CoSQA MRR@100"] = f"{of_cosqa(data, weights):.3f}"
    for measure in next(iter(columns.values())):
        table.add_row(measure, *(column[measure] for column in columns.values()))
    Console(width=140).print(table)
    if options.verbose and "questions" in wanted:
        print(*(f"{each.id} {each.style} {each.lang}: {each.text}" for each, rank, _ in rows if rank > 5), sep="\n")
    print(f"{perf_counter() - began:.0f} s")
    return 0


def _questions(rows: Sequence[Row]) -> dict[str, str]:
    made = {f"recall@{k}": f"{recall(rows, k):.3f}" for k in (1, 5, 10)}
    made["MRR@10"] = f"{np.mean([1 / rank if rank <= 10 else 0 for _, rank, _ in rows]):.3f}"
    made |= {
        f"recall@5, {style}": f"{recall([row for row in rows if row[0].style == style], 5):.2f}"
        for style in ("semantic", "mixed", "lexical")
    }
    for lang in ("en", "en-zh", "zh"):
        group = [row for row in rows if row[0].lang == lang]
        made[f"found within 5, {lang}"] = f"{sum(rank <= 5 for _, rank, _ in group)} of {len(group)}"
    temporal = [row for row in rows if row[0].temporal]
    made["temporal: newer first"] = f"{sum(rank <= 10 and rank <= stale for _, rank, stale in temporal)} of {len(temporal)}"
    return made


if __name__ == "__main__":
    sys.exit(main())
