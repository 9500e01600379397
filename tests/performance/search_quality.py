"""How good the answers are, on the real sessions: questions that they answer, exact terms, and questions that nothing answers.

python tests/performance/search_quality.py [--unrelated=500]

Ingests ../shared/data/transcripts into a server that it starts, then asks over HTTP with `min_score: 0` and `explain`, so that one run
tells what every threshold would show. Unrelated: the out-of-scope questions of CLINC150 (people asking a phone assistant), and,
harder, those of CoSQA (people asking how to do something in Python; the sessions are about other things).
Made docs/decisions/0004-relevance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rich.console import Console
from rich.table import Table

from app.storage.vectors import lexical
from tests.integration.test_real_sessions import QUESTIONS, ingest, transcripts
from tests.running import ROOT, Running, running

THRESHOLDS = (0.10, 0.20, 0.25, 0.30, 0.35, 0.40, 0.50, 0.60)
SHOWN = 3


def ask(server: Running, question: str) -> list[dict[str, Any]]:
    return server.knowledge(question, limit=10, min_score=0, explain=True)


def relevance(result: dict[str, Any]) -> float:
    return float(result["explain"]["relevance"])


def answering(server: Running) -> tuple[list[float], dict[str, dict[str, Any]]]:
    """The relevance of the first answering result of each question (0 where none is among the first three); all items seen."""
    found, items = [], {}
    for question, expected in QUESTIONS:
        results = ask(server, question)
        items.update({str(result["id"]): result for result in results})
        found.append(next((relevance(each) for each in results[:SHOWN] if expected in f"{each['title']} {each['text']}"), 0.0))
    return found, items


def exact(server: Running, items: dict[str, dict[str, Any]]) -> list[float]:
    """The same for each item's longest code-like term, asked by itself."""
    found = []
    for item_id, item in items.items():
        codes = [term for term in lexical.terms(f"{item['title']} {item['text']}") if lexical.is_code(term)]
        if codes:
            results = ask(server, max(codes, key=len))
            term = max(codes, key=len)
            holding = [
                each for each in results[:SHOWN] if str(each["id"]) == item_id or term in lexical.terms(f"{each['title']} {each['text']}")
            ]
            found.append(max(map(relevance, holding), default=0.0))
    return found


def show(columns: dict[str, list[float]]) -> None:
    table = Table("min_relevance", *(f"{name} ({len(values)})" for name, values in columns.items()))
    for least in THRESHOLDS:
        shares = [sum(value >= least for value in values) / max(len(values), 1) for values in columns.values()]
        table.add_row(f"{least:.2f}", *(f"{share:.1%}" for share in shares))
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unrelated", type=int, default=500)
    options = parser.parse_args()
    data = Path(os.environ.get("CAIRN_EVAL_DATA", ROOT.parent / "shared" / "data"))
    if not data.is_dir():
        print(f"{data} is absent (CAIRN_EVAL_DATA)", file=sys.stderr)
        return 1
    assistant = [text for text, _ in json.loads((data / "clinc150" / "data_small.json").read_text())["oos_test"][: options.unrelated]]
    python = [each["doc"] for each in json.loads((data / "cosqa" / "cosqa-retrieval-test-500.json").read_text())[: options.unrelated]]
    with tempfile.TemporaryDirectory(prefix="cairn-quality-", dir="/tmp") as scratch, running(Path(scratch) / "data") as server:
        ingest(server, transcripts(data))
        questions, items = answering(server)
        terms = exact(server, items)
        shown = [[max(map(relevance, ask(server, text)), default=0.0) for text in asked] for asked in (assistant, python)]
    show({"answered": questions, "exact term found": terms, "CLINC150 shows": shown[0], "CoSQA shows": shown[1]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
