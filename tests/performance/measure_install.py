"""How long an installation takes, in its parts: the wheel into a new environment, then its first and second `cairn serve` until `/readyz`.

python tests/performance/measure_install.py [--client] [--keep FOLDER] [--json FILE]

pip runs twice, each time into an environment of its own: the first run fills its cache and tells what the network adds, the second is the
one with a warm cache. Processor time is told beside the time that passed: on a machine that others use too, it is what compares.
`--client`: the client alone, without a server to start. The time limit is that of the whole second way, from nothing to `/readyz`.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil

from tests.performance.measure import Figure, machine, show
from tests.running import ROOT, Running, start

INSTALL_TO_READY_SECONDS = 90
QUESTION = "Why were customers charged twice?"
Spent = dict[str, tuple[float, float]]
"""Seconds of each part, by its name: those that passed, and the processor's."""


@contextmanager
def part(spent: Spent, name: str) -> Iterator[None]:
    """Note how long the body takes, with the processor time of the processes that ended in it."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    spent[name] = (time.perf_counter() - began, processor)


def run(*command: str | Path, ignore: bool = False) -> None:
    """Run a command; end with its words if it fails, unless that is to be ignored."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd="/", env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0 and not ignore:
        sys.exit(done.stdout + done.stderr)


def build(folder: Path) -> Path:
    """Build the wheel from the repository."""
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


def install(wheel: Path, environment: Path, spent: Spent, *, extra: str, when: str) -> None:
    """Make an environment and install the wheel into it: unpack without compiling, then compile, as pip does both."""
    with part(spent, f"environment, {when}"):
        run(sys.executable, "-m", "venv", environment)
    pip = (environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    with part(spent, f"resolve, download, unpack, {when}"):
        run(*pip, "-c", ROOT / "constraints.txt", f"{wheel}{extra}")
    with part(spent, f"compile, {when}"):
        run(
            environment / "bin" / "python", "-m", "compileall", "-q", environment / "lib", ignore=True
        )  # torch has a file for newer Pythons


def serve(environment: Path, data: Path, spent: Spent, *, when: str) -> None:
    """Start the server until `/readyz`; the first time, ingest an example and ask a question of it."""
    began = time.perf_counter()
    models = data / "models"
    models.mkdir(parents=True, exist_ok=True)  # its own: the first start exports the model
    server = start(data, {"PYTHONPATH": ""}, program=[str(environment / "bin" / "cairn")], cwd=data)
    try:
        spent[f"cairn serve to /readyz, {when}"] = (server.seconds_to_ready, processor_of(server))
        if when == "first":
            examples = ROOT / "examples" / "sessions"
            for each in [server.upload(each, "install") for each in sorted(examples.iterdir())]:
                server.finished(each)
            if not server.knowledge(QUESTION):
                sys.exit("The examples were ingested, and nothing was found.")
            spent["start, nine sessions, a first result"] = (time.perf_counter() - began, processor_of(server))
    finally:
        server.stop()


def processor_of(server: Running) -> float:
    """Sum up the processor time of the server and its children, also of those that ended."""
    found = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    times = [each.cpu_times() for each in found]
    return float(sum(each.user + each.system + each.children_user + each.children_system for each in times))


def megabytes(folder: Path) -> float:
    return sum(each.lstat().st_size for each in folder.rglob("*")) / 1e6


def figures(spent: Spent, environment: Path, *, ready: bool) -> list[Figure]:
    found = [
        Figure("install", f"{name}{what}", "s", value)
        for name, pair in spent.items()
        for what, value in zip(("", ": processor"), pair, strict=True)
    ]
    warm = [pair[0] for name, pair in spent.items() if name.endswith((", warm", "/readyz, first"))]
    if ready:
        found.append(Figure("install", "from nothing to /readyz, warm cache", "s", sum(warm), INSTALL_TO_READY_SECONDS))
    return [*found, Figure("install", "environment on the disk", "MB", megabytes(environment))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", action="store_true", help="install the client alone")
    parser.add_argument("--keep", type=Path, help="work in this folder, and keep it")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    spent: Spent = {}
    with tempfile.TemporaryDirectory(prefix="cairn-install-") as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        extra = "" if given.client else "[server]"
        with part(spent, "build the wheel"):
            wheel = build(folder)
        for when in ("as cached", "warm"):
            install(wheel, environment := folder / when.replace(" ", "-"), spent, extra=extra, when=when)
        if not given.client:
            for when in ("first", "second"):
                serve(environment, folder / "data", spent, when=when)
        found = figures(spent, environment, ready=not given.client)
    if given.json:
        given.json.write_text(json.dumps([{"name": each.name, "unit": each.unit, "value": each.value} for each in found], indent=2))
    print(machine())
    show(found)
    return 0 if all(each.met for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
