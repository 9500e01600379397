"""What one developer with an IDE does, in the proportions of a working day: asks, lets an agent work, writes down. Knows no figure."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from uuid import uuid4

import aiohttp

from tests.performance.corpus import lessons, questions
from tests.performance.load.record import Record

EVENTS_AT_ONCE, ASKED_AGAIN = 10, 200
TIMEOUT_SECONDS = 60
DONE = b"data: [DONE]\n\n"


class Failed(Exception):
    """A reply that isn't what was asked for: its status and the first words of its body."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user works: the server, a key of their own, and whether models may be asked (they may cost money)."""

    url: str
    keys: Sequence[str]
    project: str
    models: bool


class Person:
    """One of the users. `work` does one thing after the other, with pauses to think, until it is cancelled."""

    def __init__(self, number: int, place: Place, session: aiohttp.ClientSession, record: Record, *, think_seconds: float) -> None:
        self._chance = random.Random(number)
        self._place = place
        self._session = session
        self._record = record
        self._think = think_seconds
        self._headers = {"authorization": f"Bearer {place.keys[number % len(place.keys)]}"}
        self._questions = itertools.cycle(questions(2000, seed=number + 10))
        self._familiar = questions(ASKED_AGAIN, seed=1)
        self._lessons = itertools.cycle(list(lessons(500, seed=number + 10)))
        self._session_id = f"load-{uuid4().hex}"
        self._events = itertools.count(1)
        day: list[tuple[str, int, Callable[[], Awaitable[None]]]] = [
            ("query, new", 25, self._ask),
            ("query, asked before", 15, self._ask_again),
            ("events", 12, self._append),
            ("budget", 4, self._look_at_budget),
            ("session uploaded", 1, self._upload),
        ]
        if place.models:
            day += [("completion", 20, self._complete), ("stream", 12, self._stream), ("embedding", 5, self._embed)]
        self._day = day
        self._weights = [weight for _, weight, _ in day]

    async def work(self) -> None:
        while True:
            ((route, _, act),) = self._chance.choices(self._day, self._weights)
            began = perf_counter()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await act()
            except (Failed, aiohttp.ClientError, TimeoutError, OSError) as error:
                self._record.failed(route, perf_counter() - began, f"{type(error).__name__}: {error}"[:200])
            else:
                self._record.answered(route, perf_counter() - began)
            if self._think:
                await asyncio.sleep(self._chance.expovariate(1 / self._think))

    async def _ask(self) -> None:
        await self._query(next(self._questions))

    async def _ask_again(self) -> None:
        """A few questions are asked by everybody: the first of them most."""
        await self._query(self._familiar[min(int(self._chance.paretovariate(1)) - 1, ASKED_AGAIN - 1)])

    async def _query(self, question: str) -> None:
        reply = json.loads(await self._post("/v1/knowledge/query", {"query": question, "project": self._place.project, "limit": 5}))
        if reply["degraded"]:
            raise Failed(f"degraded: {reply['degraded']}")

    async def _complete(self) -> None:
        again = self._chance.random() < 0.2  # an agent's unchanged steps
        words = f"say 12 words about step {self._chance.randrange(50) if again else uuid4().hex}"
        await self._post("/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": words}], "max_tokens": 200})

    async def _stream(self) -> None:
        body = {
            "model": "auto",
            "stream": True,
            "messages": [{"role": "user", "content": f"say 60 words {uuid4().hex}"}],
            "max_tokens": 200,
        }
        if not (await self._post("/v1/chat/completions", body)).endswith(DONE):
            raise Failed("a stream that ended without [DONE]")

    async def _embed(self) -> None:
        title, text = next(self._lessons)
        await self._post("/v1/embeddings", {"model": "auto", "input": [title, text]})

    async def _append(self) -> None:
        lines = [self._event() for _ in range(EVENTS_AT_ONCE)]
        await self._post(f"/v1/sessions/{self._session_id}/events?project={self._place.project}", "\n".join(lines).encode())

    async def _upload(self) -> None:
        content = "\n".join(self._event() for _ in range(2 * EVENTS_AT_ONCE))
        path = f"/v1/sessions?project={self._place.project}&format=generic"
        headers = {"content-type": "application/octet-stream", "x-filename": f"{uuid4().hex}.jsonl"}
        await self._post(path, content.encode(), headers)

    async def _look_at_budget(self) -> None:
        async with self._session.get(f"{self._place.url}/v1/budget", headers=self._headers) as reply:
            await _body(reply)

    async def _post(self, path: str, content: dict[str, object] | bytes, headers: dict[str, str] | None = None) -> bytes:
        given = {"data": content} if isinstance(content, bytes) else {"json": content}
        async with self._session.post(self._place.url + path, headers={**self._headers, **(headers or {})}, **given) as reply:
            return await _body(reply)

    def _event(self) -> str:
        number = next(self._events)
        _, text = next(self._lessons)
        return json.dumps({"id": f"e{number}", "role": ("user", "assistant")[number % 2], "text": text})


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    content = await reply.read()
    if reply.status >= 400:
        raise Failed(f"{reply.status} {content[:150].decode(errors='replace')}")
    return content
