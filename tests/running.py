"""A real `cairn serve` in a scratch folder, as a process of its own: for tests that kill it and for the performance scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.fakes.models import models_folder

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = (sys.executable, "-m", "app.cli")
START_SECONDS = 90
"""A first start exports the model: 10-20 s on two cores."""


class Failed(Exception):
    """The server didn't start, or answered with an error."""


@dataclass(slots=True)
class Running:
    """A started server. `seconds_to_ready`: from the start of the process to `/readyz` 200."""

    url: str
    key: str
    folder: Path
    process: subprocess.Popen[bytes]
    seconds_to_ready: float

    def get(self, path: str) -> dict[str, object]:
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: object) -> dict[str, object]:
        return self._ask("POST", path, json.dumps(body).encode(), {"content-type": "application/json"})

    def delete(self, path: str) -> dict[str, object]:
        return self._ask("DELETE", path, None, {})

    def upload(self, file: Path, project: str | None = None) -> str:
        """Send a transcript; returns the job's id."""
        suffix = f"?project={project}" if project else ""
        body = file.read_bytes()
        headers = {"content-type": "application/octet-stream", "x-filename": urllib.parse.quote(file.name)}
        return str(self._ask("POST", f"/v1/sessions{suffix}", body, headers)["job_id"])

    def finished(self, job: str, *, seconds: float = 1_800) -> dict[str, object]:
        """Wait for a job's end; returns it, done or failed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.get(f"/v1/jobs/{job}")
            if found["state"] in {"done", "failed"}:
                return found
            time.sleep(0.05)
        raise Failed(f"job {job} did not finish within {seconds} s: {found}\n{self.standing()}")

    def standing(self) -> str:
        """The log's end, with the stacks of server and worker: what a test that waited in vain has to tell."""
        for each in self.family():
            if "app.cli" in each.cmdline():
                each.send_signal(signal.SIGUSR1)
        time.sleep(2)  # nobody says when they are written
        log = self.folder.parent / f"{self.folder.name}.log"
        return log.read_text(errors="replace")[-20_000:]

    def knowledge(self, question: str, **fields: object) -> list[dict[str, object]]:
        found = self.post("/v1/knowledge/query", {"query": question, **fields})["results"]
        assert isinstance(found, list)
        return found

    def text(self, path: str) -> str:
        """What a GET answers, as it is."""
        request = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return str(reply.read(), "utf-8")

    def database_url(self) -> str:
        """Its embedded PostgreSQL, as its worker was told of it."""
        worker = next(each for each in self.family() if each.cmdline()[-1] == "worker")
        return str(worker.environ()["CAIRN_DATABASE__URL"])

    def family(self) -> list[psutil.Process]:
        """The server and its children (PostgreSQL daemonises and is not among them)."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        """kill -9 of server, worker and engine at once."""
        for each in self.family():
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """A clean stop; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, object]:
        request = urllib.request.Request(
            self.url + path, data=body, method=method, headers={"authorization": f"Bearer {self.key}", **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                content = reply.read()
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:500]}") from error
        loaded = json.loads(content) if content else {}
        assert isinstance(loaded, dict)
        return loaded


def start(
    folder: Path,
    env: Mapping[str, str] | None = None,
    *,
    open_files: int | None = None,
    port: int = 0,
    program: Sequence[str] = PROGRAM,
    cwd: Path | None = None,
) -> Running:
    """Start `cairn serve` on a port (0: a free one) with its data in `folder`, and wait until it is ready.

    `open_files`: its soft and hard limit of open files. `program`: the command `cairn`; `cwd`: where it is called.

    A `models` folder that is absent is linked to the tests' shared one: give an empty one to measure the export too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "models").exists():
        models_folder().mkdir(exist_ok=True)
        (folder / "models").symlink_to(models_folder())
    began = time.monotonic()
    log = folder.parent / f"{folder.name}.log"
    limited = [] if open_files is None else ["sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*limited, *program, "serve", "--port", str(port)],
            cwd=cwd,
            env={**os.environ, "CAIRN_DATA_DIR": str(folder), **(env or {})},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    while time.monotonic() - began < START_SECONDS:
        if process.poll() is not None:
            raise Failed(f"cairn serve ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        if url := _ready_url(folder, process.pid):
            key = (folder / "admin.key").read_text().strip()
            return Running(url, key, folder, process, time.monotonic() - began)
        time.sleep(0.02)
    process.kill()
    raise Failed(f"cairn serve was not ready within {START_SECONDS} s:\n{log.read_text()[-3000:]}")


@contextmanager
def running(folder: Path, env: Mapping[str, str] | None = None, *, open_files: int | None = None) -> Iterator[Running]:
    """A started server for the length of the context; stopped cleanly at its end, whatever happened."""
    server = start(folder, env, open_files=open_files)
    try:
        yield server
    finally:
        server.stop()


def _ready_url(folder: Path, pid: int) -> str | None:
    try:
        found = json.loads((folder / "server.json").read_text())
        if found["pid"] != pid:
            return None
        with urllib.request.urlopen(found["url"] + "/readyz", timeout=2):
            return str(found["url"])
    except (OSError, ValueError, KeyError):
        return None
