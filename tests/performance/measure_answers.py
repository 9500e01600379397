"""Answers of a few sentences: do they hold what was asked for, and do they say nothing where nothing answers?

python tests/performance/measure_answers.py [--verbose]

Ingests the sessions behind ../shared/data/questions (CAIRN_EVAL_DATA) into an empty server and asks each question with `mode: answer`. An
answer holds a proof where one of the question's proof strings stands in it, white space and case aside.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.tokens import count_text
from tests.performance.measure import Figure, machine, show
from tests.performance.measure_recall_served import DATA
from tests.running import Running, running

QUESTIONS = DATA / "questions"
MAX_TOKENS = 400


def answers(scratch: Path, *, verbose: bool = False) -> list[Figure]:
    """Ask every question; returns the figures."""
    with running(scratch / "answers", env={"CAIRN_LOG__LEVEL": "warning"}) as server:
        _ingest(server)
        asked = [(question, _answer(server, question)) for question in _rows("questions.jsonl")]
    answerable = [(question, answer) for question, answer in asked if question["answerable"]]
    others = [answer for question, answer in asked if not question["answerable"]]
    held = [_holds(question, answer) for question, answer in answerable]
    if verbose:
        for (question, answer), holds in zip(answerable, held, strict=True):
            if not holds:
                print(f"{question['question']}\n    {answer['text'][:300]!r}")
    tokens = [sum(count_text(each["text"]) for each in answer["citations"]) for _, answer in answerable if not answer["abstained"]]
    return [
        Figure("answers", "of answerable questions hold a proof", "", sum(held) / len(held), 0.60, at_least=True),
        Figure(
            "answers", "say nothing where nothing answers", "", sum(each["abstained"] for each in others) / len(others), 0.5, at_least=True
        ),
        Figure("answers", "say nothing where something answers", "", sum(each["abstained"] for _, each in answerable) / len(held), 0.05),
        Figure("answers", "tokens of the longest", "", max(tokens), MAX_TOKENS),
        Figure("answers", "tokens on average", "", sum(tokens) / len(tokens)),
    ]


def _ingest(server: Running) -> None:
    jobs = [server.upload(DATA / each["transcript"], each["project"]) for each in _rows("uploads.jsonl")]
    for job in jobs:
        server.finished(job)


def _answer(server: Running, question: dict[str, Any]) -> dict[str, Any]:
    found = server.post("/v1/knowledge/query", {"query": question["question"], "project": question["project"], "mode": "answer"})["answer"]
    assert isinstance(found, dict)
    return found


def _holds(question: dict[str, Any], answer: dict[str, Any]) -> bool:
    text = _plain(answer["text"])
    return any(_plain(proof) in text for gold in question["gold"] for proof in gold["must_contain"])


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (QUESTIONS / name).read_text().splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="show the answers that hold no proof")
    arguments = parser.parse_args()
    if not QUESTIONS.is_dir():
        sys.exit(f"The questions are not at {QUESTIONS}: set CAIRN_EVAL_DATA to the folder that holds the public evaluation data.")
    with tempfile.TemporaryDirectory(prefix="cairn-") as scratch:
        figures = answers(Path(scratch), verbose=arguments.verbose)
    show(figures)
    print(machine())
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
