"""Fits app/knowledge/passages/abstention.json: which raw scores tell that a question is answered, and prints the trade-off.

python tests/performance/fit_abstention.py [--write]

Fitted on devmem (its questions; those of its type `abstention` are not answered) and on the same questions asked of other projects' sessions
(not answered there). data/questions are only measured on, never fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from numpy.typing import NDArray

from app.knowledge.passages import abstention
from app.knowledge.passages.ranking import rank_candidates
from tests.performance.recall_data import data_folder, devmem, project_passages, questions
from tests.performance.recall_index import Index
from tests.performance.recall_vectors import embedded, encoded_questions

FILE = Path(abstention.__file__).with_name("abstention.json")
OTHERS = ("entireio/cli", "specstoryai/getspecstory", "robin-collins/gpt-crawler")
RIDGE = 1.0


def fit(features: NDArray[np.float64], answered: NDArray[np.float64], *, rounds: int = 100) -> NDArray[np.float64]:
    """Logistic regression by Newton's method, both classes weighing the same, with a ridge on standardised features."""
    mean, spread = features.mean(0), features.std(0) + 1e-9
    design = np.hstack([np.ones((len(features), 1)), (features - mean) / spread])
    balance = np.where(answered == 1, 0.5 / answered.mean(), 0.5 / (1 - answered.mean()))
    beta = np.zeros(design.shape[1])
    ridge = RIDGE * np.eye(len(beta))
    ridge[0, 0] = 0.0
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-design @ beta))
        gradient = design.T @ (balance * (chance - answered)) + ridge @ beta
        beta -= np.linalg.solve((design * (balance * chance * (1 - chance))[:, None]).T @ design + ridge, gradient)
    slopes = beta[1:] / spread
    return np.concatenate([[beta[0] - slopes @ mean], slopes])


def auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    return float(((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    data = data_folder()
    passages, asked = devmem(data)
    own = Index(passages, embedded("devmem", [each.indexed for each in passages]))
    projects = {
        name: Index(found, embedded("passages", [each.indexed for each in found]), name)
        for name, found in project_passages(data).items()
        if found
    }
    rows, labels = [], []
    encoded = encoded_questions("devmem", [each["question"] for each in asked])
    for number, (each, vectors) in enumerate(zip(asked, encoded, strict=True)):
        rows.append(raw(own, each["question"], vectors))
        labels.append(float(each["questionType"] != "abstention"))
        if number % 2 == 0:
            rows.append(raw(projects[OTHERS[number // 2 % len(OTHERS)]], each["question"], vectors))
            labels.append(0.0)
    beta = fit(np.array(rows), np.array(labels))
    print(dict(zip(("intercept", *abstention.NAMES), beta.round(4).tolist(), strict=True)), f"fitted on {len(rows)} questions")
    if options.write:
        made = "tests/performance/fit_abstention.py: devmem, and its questions asked of other projects"
        coefficients = dict(zip(("intercept", *abstention.NAMES), beta.round(4).tolist(), strict=True))
        FILE.write_text(json.dumps({"made_by": made, "coefficients": coefficients}, indent=2) + "\n")
    own_questions = questions(data)
    encoded = encoded_questions("questions", [each.text for each in own_questions])
    scores = np.array(
        [beta[0] + beta[1:] @ raw(projects[each.project], each.text, vectors) for each, vectors in zip(own_questions, encoded, strict=True)]
    )
    answerable = np.array([each.answerable for each in own_questions])
    print(
        f"data/questions, not fitted on (but the features were chosen with a look at them): AUROC {auroc(scores[answerable], scores[~answerable]):.3f}"
    )
    for wrong in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
        least = np.quantile(scores[answerable], wrong)
        print(f"  wrong {wrong:.0%}: abstains on {(scores[~answerable] < least).mean():.0%} · threshold {1 / (1 + np.exp(-least)):.3f}")
    return 0


def raw(index: Index, text: str, encoded) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    question, candidates = index.found(text, encoded)
    return np.array(abstention.features(rank_candidates(question, candidates)))


if __name__ == "__main__":
    sys.exit(main())
