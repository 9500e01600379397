"""Items to a folder of Markdown files and back: time, processor time and memory of the command, and of the server that it asks.

python tests/performance/measure_exports.py [--items N] [--written N]

A server with so many items (`filled.py`): all are exported, exported and imported again with nothing changed; then `--written` files are
edited and imported, and as many new ones. Processor time is what it costs, also on a machine that others use too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.performance.filled import filled
from tests.performance.measure import Figure, cpu_seconds, machine, show
from tests.running import Running, running

ROOT = Path(__file__).resolve().parents[2]
MB = 1_000_000
PARTS = ("payments", "ledger", "search", "ferry", "quay", "crane", "manifest", "customs", "berth", "pilot")


def new_file(number: int) -> str:
    """A file of an item, of about 600 characters, like no other."""
    part, other = PARTS[number % len(PARTS)], PARTS[number // len(PARTS) % len(PARTS)]
    said = f"Job {number} of {part} waits for {other} {number % 977} seconds when lane {number % 89} is closed. "
    return f"---\ntype: gotcha\npaths: [{part}/job_{number}.py]\n---\n\n{said}{'It has done so since the move to the new quay. ' * 10}\n"


class Peak:
    """The most memory that a process had while it was watched."""

    def __init__(self, pid: int) -> None:
        self._process, self._stop, self.resident = psutil.Process(pid), threading.Event(), 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self.resident = max(self.resident, self._process.memory_info().rss)
            except psutil.NoSuchProcess:
                return

    def end(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.resident


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of a command: seconds, seconds of the processor (its own, the server's), peaks of memory in bytes (its own, the server's)."""

    seconds: float
    processor: tuple[float, float]
    memory: tuple[int, int]


def command(env: Mapping[str, str], server: Running, *words: str) -> tuple[Cost, str]:
    """Run a command: (what it cost, the last line of what it said)."""
    serving = psutil.Process(server.process.pid)
    before, served = resource.getrusage(resource.RUSAGE_CHILDREN), cpu_seconds(serving)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *words, "--quiet"], env=dict(env), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    own, servers = Peak(process.pid), Peak(serving.pid)
    said, _ = process.communicate()
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"cairn {' '.join(words)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, (used, cpu_seconds(serving) - served), (own.end(), servers.end())), said.strip().splitlines()[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--written", type=int, default=500)
    given = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="cairn-") as made:
        asyncio.run(filled(given.items, Path(made, "data")))
        with running(Path(made, "data")) as server:
            env = {**os.environ, "CAIRN_DATA_DIR": str(server.folder), "CAIRN_CLI__WARM_MINUTES": "0"}
            exported, new = Path(made, "exported"), Path(made, "new")

            def measure(what: str, *words: str) -> None:
                cost, said = command(env, server, *words)
                print(f"{what}: {cost} {said}", flush=True)
                figures.append(Figure("exports", what, "s", cost.seconds))
                for who, processor, memory in zip(("command", "server"), cost.processor, cost.memory, strict=True):
                    figures.append(Figure("exports", f"{what}: processor of the {who}", "s", processor))
                    figures.append(Figure("exports", f"{what}: memory of the {who}", "MB", memory / MB))

            measure(f"export of {given.items:,} items", "knowledge", "export", str(exported))
            measure("export again, nothing changed", "knowledge", "export", str(exported))
            measure("import, nothing changed", "knowledge", "import", str(exported))
            for path in sorted(exported.iterdir())[: given.written]:
                path.write_text(f"{path.read_text().rstrip()} So it is still.\n")
            measure(f"import of {given.written:,} edits", "knowledge", "import", str(exported))
            new.mkdir()
            for number in range(given.written):
                (new / f"{number}.md").write_text(new_file(number))
            measure(f"import of {given.written:,} new files", "knowledge", "import", str(new), "--project", "quay")
            measure("export of the whole team", "export", str(Path(made, "team.jsonl")))
    print(machine())
    show(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
