"""The command line every day: the command that finds no server and starts one, and those that find it warm.

python tests/performance/measure_cli.py [--runs N]

Processor time of the command itself is told beside the time that passed: on a machine that others use too, it is what it costs.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.models import models_folder
from tests.performance.measure import Figure, latencies, machine, show

ROOT = Path(__file__).resolve().parents[2]
WARM_MS, PROCESSOR_MS = 300, 250
QUESTION = "why was the card charged twice?"


def cairn(env: Mapping[str, str], *words: str) -> float:
    """Run a command to its end; return the milliseconds it took."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "app.cli", *words], env=dict(env), cwd=ROOT, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def several(env: Mapping[str, str], words: Sequence[str], runs: int) -> tuple[list[float], float]:
    """Run a command one time after the other; return the milliseconds of each, and of processor time on average."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = [cairn(env, *words) for _ in range(runs)]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    given = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="cairn-") as made:
        folder = Path(made, "data")
        folder.mkdir()
        models_folder().mkdir(exist_ok=True)
        (folder / "models").symlink_to(models_folder())
        env = {"PATH": os.environ["PATH"], "HOME": made, "PYTHONPATH": str(ROOT), "CAIRN_DATA_DIR": str(folder)}
        try:
            figures.append(
                Figure("cli", "first command, which makes the database and starts a server", "ms", cairn(env, "query", QUESTION))
            )
            cairn(env, "stop")
            figures.append(Figure("cli", "command that starts a server", "ms", cairn(env, "query", QUESTION)))
            cairn(env, "ingest", str(ROOT / "examples" / "sessions"), "--project", "examples")
            for name, words, target in (
                ("query", ("query", QUESTION), WARM_MS),
                ("query --json", ("query", QUESTION, "--json"), WARM_MS),
                ("ask", ("ask", QUESTION), None),
            ):
                several(env, words, 3)
                spent, processor = several(env, words, given.runs)
                figures += latencies("cli", f"warm {name}", spent, p95_target=target)
                figures.append(Figure("cli", f"warm {name}, fastest", "ms", min(spent), target))
                figures.append(Figure("cli", f"warm {name}, processor time of the command", "ms", processor, PROCESSOR_MS))
        finally:
            cairn(env, "stop")
    print(machine())
    show(figures)
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
