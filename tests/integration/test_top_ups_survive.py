"""kill -9 while top-ups with idempotency keys are under way: after a retry of all of them, each was added exactly once."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.running import Running, start

pytestmark = pytest.mark.slow

TOP_UPS, CLIENTS = 120, 8
LEASE_SECONDS = 31


def send(server: Running, number: int) -> int:
    """One top-up; returns its status, 0 where the server is gone."""
    request = urllib.request.Request(
        f"{server.url}/v1/budgets/ada/top-ups",
        data=json.dumps({"amount_usd": 1}).encode(),
        headers={
            "authorization": f"Bearer {server.key}",
            "content-type": "application/json",
            "idempotency-key": f"top-up-{number}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def send_all(server: Running, numbers: Sequence[int]) -> list[int]:
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(lambda number: send(server, number), numbers))


def test_every_top_up_is_added_once_after_a_kill_and_a_retry(short_folder: Path) -> None:
    folder = short_folder / "top-ups"
    server = start(folder)
    try:
        server.post("/v1/developers", {"name": "ada"})
        killed = threading.Timer(0.6, server.kill)
        killed.start()
        first = send_all(server, range(TOP_UPS))
        killed.join()
    finally:
        if server.process.poll() is None:
            server.kill()
    assert 0 in first, "the server was killed too late to show anything"
    server = start(folder)
    try:
        time.sleep(LEASE_SECONDS)  # what died under way may be claimed anew
        assert set(send_all(server, range(TOP_UPS))) == {201}
        assert server.get("/v1/budgets/ada")["added_usd"] == TOP_UPS
        movements = server.get("/v1/budgets/ada/movements?kind=top_up&limit=1000")["movements"]
        assert isinstance(movements, list)
        assert len(movements) == TOP_UPS
        assert server.get("/v1/budget/verify") == {"differences": []}
    finally:
        server.stop()
