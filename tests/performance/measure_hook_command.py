"""`cairn hook` as a command: how long an IDE waits for it, with a server that answers at once, and with one that is away.

python tests/performance/measure_hook_command.py [--program PATH-TO-CAIRN] [--runs N]

Processor time is told beside the time that passed: on a machine that others use too, it is what the hook itself costs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.hook_server import hook_server
from tests.performance.measure import Figure, latencies, machine, show

ROOT = Path(__file__).resolve().parents[2]
COLD_MS, COMMAND_MS, AWAY_MS = 120, 170, 100
PAYLOAD = {
    "hook_event_name": "PostToolUse",
    "session_id": "s",
    "cwd": str(ROOT),
    "tool_name": "Bash",
    "tool_response": {"stdout": "x" * 2_000},
}


def run(program: str, url: str, home: str, runs: int) -> tuple[list[float], float]:
    """Run the hook one time after the other; return the milliseconds of each, and of processor time on average."""
    env = {"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": str(ROOT), "CAIRN_URL": url, "CAIRN_KEY": "k"}
    spent: list[float] = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(runs):
        began = time.perf_counter()
        command = [program, "hook", "post-tool-use"]
        subprocess.run(command, input=json.dumps(PAYLOAD).encode(), env=env, cwd=ROOT, check=True, capture_output=True)
        spent.append((time.perf_counter() - began) * 1000)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(Path(sys.executable).with_name("cairn")))
    parser.add_argument("--runs", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, hook_server() as server:
        run(given.program, server.url, home, 3)
        answered, processor = run(given.program, server.url, home, given.runs)
        away, _ = run(given.program, "http://127.0.0.1:1", home, given.runs)
    figures = [
        *latencies("hook", "answered", answered, p95_target=COMMAND_MS),
        Figure("hook", "answered, fastest", "ms", min(answered), COLD_MS),
        Figure("hook", "processor time a hook", "ms", processor, COLD_MS),
        *latencies("hook", "server away", away),
        Figure("hook", "what a server that is away adds, fastest", "ms", max(0.0, min(away) - min(answered)), AWAY_MS),
    ]
    print(machine())
    show(figures)
    return 0 if all(each.met for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
