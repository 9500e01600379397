"""A server of hooks that records what it is sent and answers what it is told to: for the client's side alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.quiet_http import QuietHandler, listening


@dataclass
class HookServer:
    """The recording server. `pause`: seconds that it lets each request wait for its answer."""

    url: str
    status: int = 200
    answer: bytes = b"{}"
    pause: float = 0.0
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.asked]


@contextmanager
def hook_server() -> Iterator[HookServer]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(made.pause)
            self.reply(made.status, made.answer)

    made = HookServer("")
    with listening(Handler) as made.url:
        yield made
