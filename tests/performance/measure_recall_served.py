"""Recall: questions about real sessions, asked of a running server that has read them, as a caller asks. Their scorer judges the answers.

python tests/performance/measure_recall_served.py [--verbose] [--kinds item]

Needs the public evaluation data beside the project (CAIRN_EVAL_DATA). Each figure stands against what issue 13 asks for;
with `--kinds item`, items alone answer, and recall@5 stands against what issue 14 asks for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.performance.measure import Figure, machine, show
from tests.running import running

DATA = Path(os.environ.get("CAIRN_EVAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SCORER = DATA / "questions" / "score.py"
SECONDS = 1_800
_OF_KINDS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("score", sys.argv[1])
score = importlib.util.module_from_spec(spec)
spec.loader.exec_module(score)
kinds, call = sys.argv[2].split(","), score.Client.call
def of_kinds(self, method, path, body=None, kind="application/json"):
    return call(self, method, path, body | {"kinds": kinds} if path.endswith("/knowledge/query") else body, kind)
score.Client.call = of_kinds
sys.argv = [sys.argv[1], *sys.argv[3:]]
sys.exit(score.main())
"""
"""The scorer asks for no kinds: this adds them to each of its questions."""


def recall(scratch: Path, *, verbose: bool = False, kinds: str = "") -> list[Figure]:
    """Ingest every session of the set into an empty server, ask every question, and return the scorer's figures."""
    with running(scratch / "recall") as server:
        scorer = ["-c", _OF_KINDS, str(SCORER), kinds] if kinds else [str(SCORER)]
        asked = [sys.executable, *scorer, "--base", server.url, "--key", server.key, *(["--verbose"] if verbose else [])]
        done = subprocess.run(asked, stdout=subprocess.PIPE, stderr=None if verbose else subprocess.DEVNULL, timeout=SECONDS, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"{SCORER} gave no figures: run it with --verbose")
    found = json.loads(done.stdout)
    return _figures_of_items(found) if kinds else _figures(found)


def _figures_of_items(found: Mapping[str, Any]) -> list[Figure]:
    return [
        Figure("recall of items", "recall@1", "", found["recall@1"] or 0.0),
        Figure("recall of items", "recall@5", "", found["recall@5"] or 0.0, 0.35, at_least=True),
        Figure("recall of items", "recall@10", "", found["recall@10"] or 0.0),
        Figure("recall of items", "abstains where nothing answers", "", found["abstention_on_unanswerable"] or 0.0),
        Figure("recall of items", "abstains where something answers", "", found["wrong_abstention_on_answerable"] or 0.0),
        Figure("recall of items", "all sessions read and searchable", "s", found["ingest"]["seconds"]),
    ]


def _figures(found: Mapping[str, Any]) -> list[Figure]:
    def share(name: str, value: float | None, target: float | None = None) -> Figure:
        return Figure("recall", name, "", value or 0.0, target, at_least=True)

    styles, languages = found["by_style"], found["by_language"]
    others = [each for language, each in languages.items() if language != "en"]
    return [
        share("recall@1", found["recall@1"], 0.45),
        share("recall@5", found["recall@5"], 0.80),
        share("recall@10", found["recall@10"]),
        share("MRR@10", found["mrr@10"], 0.60),
        *(share(f"recall@5, {style}", styles[style]["recall@5"], {"semantic": 0.70, "mixed": 0.82}.get(style, 0.85)) for style in styles),
        share("other languages, found of 9 within five", sum(round(each["n"] * (each["recall@5"] or 0)) for each in others), 5),
        share("temporal, the newer first", found["temporal"]["newer_before_stale"]),
        share("abstains where nothing answers", found["abstention_on_unanswerable"], 0.45),
        Figure("recall", "abstains where something answers", "", found["wrong_abstention_on_answerable"] or 0.0, 0.05),
        share("answerable told from not by the top score, AUROC", found["auroc_top_score"], 0.88),
        Figure("recall", "a question, p95", "ms", found["ms_p95"] or 0.0),
        Figure("recall", "all sessions read and searchable", "s", found["ingest"]["seconds"]),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--verbose", action="store_true", help="a line for each question that isn't answered")
    parser.add_argument("--kinds", default="", help="item or passage: ask for these alone (default: both)")
    arguments = parser.parse_args()
    if not SCORER.is_file():
        sys.exit(f"The questions are not at {SCORER}: set CAIRN_EVAL_DATA to the folder that holds the public evaluation data.")
    print(machine())
    with tempfile.TemporaryDirectory(prefix="cairn-") as scratch:
        figures = recall(Path(scratch), verbose=arguments.verbose, kinds=arguments.kinds)
    show(figures)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
