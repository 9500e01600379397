"""Measures `cairn watch` idle over many files: memory, CPU, the time from an append to the server, and a second start.

.venv/bin/python tests/performance/measure_watch.py [--files 10000] [--seconds 120]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.cli.watch.files import source_of
from tests.fakes.lines_server import LinesServer, lines_server

FOLDERS = 200
APPENDS = 20
TICKS = os.sysconf("SC_CLK_TCK")


def fill(folder: Path, files: int, work: Path) -> list[Path]:
    """Write transcripts of one line each, of a day ago."""
    made = []
    for number in range(files):
        path = folder / f"p{number % FOLDERS}" / f"{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"type": "user", "uuid": f"u{number}", "sessionId": f"s{number}", "cwd": str(work), "message": {"content": "Why NATS?"}}
        path.write_text(json.dumps(record) + "\n")
        os.utime(path, (time.time() - 86_400,) * 2)
        made.append(path)
    return made


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    found = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(found.split()[1]) / 1024


def append_latency(server: LinesServer, path: Path) -> float:
    """Append a line; return the seconds until the server has read it."""
    begun = time.monotonic()
    with path.open("a") as file:
        file.write(json.dumps({"type": "user", "uuid": f"n{begun}", "message": {"content": "And now?"}}) + "\n")
    expected = path.read_bytes()
    while server.texts.get(source_of(str(path))) != expected:
        time.sleep(0.005)
    return time.monotonic() - begun


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--files", type=int, default=10_000)
    given.add_argument("--seconds", type=float, default=120)
    wanted = given.parse_args()
    with tempfile.TemporaryDirectory() as name, lines_server() as server:
        home = Path(name)
        for each in ("log", "work"):
            (home / each).mkdir()
        files = fill(home / "log", wanted.files, home / "work")
        env = os.environ | {
            "CAIRN_URL": server.url,
            "CAIRN_KEY": "k",
            "XDG_STATE_HOME": f"{name}/state",
            "XDG_CONFIG_HOME": f"{name}/config",
        }
        command = [sys.executable, "-m", "app.cli", "watch", str(home / "log"), "--yes"]
        begun = time.monotonic()
        watch = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        try:
            while len(server.rows) < wanted.files:
                time.sleep(0.1)
            print(f"history: {wanted.files} files in {time.monotonic() - begun:.1f} s")
            time.sleep(5)
            before, at = cpu_seconds(watch.pid), time.monotonic()
            time.sleep(wanted.seconds)
            share = (cpu_seconds(watch.pid) - before) / (time.monotonic() - at)
            print(f"idle: {share:.2%} of a core, {memory_mb(watch.pid):.0f} MB (at most {memory_mb(watch.pid, 'VmHWM'):.0f} MB)")
            seconds = [append_latency(server, files[number * 7]) for number in range(APPENDS)]
            print(f"append to server: median {statistics.median(seconds) * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms")
            watch.terminate()
            watch.wait()
            begun = time.monotonic()
            watch = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
            append_latency(server, files[0])
            print(f"started again: {time.monotonic() - begun:.1f} s to an append, at most {memory_mb(watch.pid, 'VmHWM'):.0f} MB")
        finally:
            watch.terminate()
            watch.wait()


if __name__ == "__main__":
    main()
