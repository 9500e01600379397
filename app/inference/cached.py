"""An engine around an engine: a prompt that was answered before costs nothing, and of many who ask the same at once one asks a provider.

Right before fast: only whole, successful answers without a secret are kept; per team; creative ones only where they are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import msgspec

from app.cache.tiers import Tiers
from app.errors import BudgetExceeded, CairnError
from app.inference import stored as answers
from app.inference.catalog import Catalog
from app.inference.engine import Engine
from app.inference.request import Answer, Asker, ChatRequest, EmbeddingRequest, Receipt, Tier, Vectors
from app.inference.stored import Stored
from app.inference.stream import Stream, summary
from app.redaction import redact
from app.settings import CompletionsCache
from app.telemetry import metrics

MOST_CHECKED_CHARS = 65_536
"""A longer answer isn't looked through for secrets on the way, so it isn't kept."""
WAIT_SECONDS = 60.0
"""For somebody else's answer; then one asks oneself."""
KEPT_FINISHES = frozenset({"stop", "length"})


@dataclass(frozen=True, slots=True)
class _Plan:
    key: bytes
    read: bool
    ttl_seconds: float


class Replay:
    """A stored answer as a stream."""

    def __init__(self, kept: Stored, receipt: Receipt, *, usage_asked: bool) -> None:
        self.receipt = receipt
        self._kept = kept
        self._usage_asked = usage_asked

    async def events(self) -> AsyncGenerator[bytes]:
        for chunk in answers.chunks(self._kept):
            yield chunk
        if self._usage_asked:
            whole = msgspec.json.decode(self._kept.body)
            head = {"id": whole.get("id"), "object": "chat.completion.chunk", "created": whole.get("created"), "model": whole.get("model")}
            usage = {**(whole.get("usage") or {}), **summary(self.receipt)}
            yield msgspec.json.encode({**head, "choices": [], "usage": usage})

    async def abandon(self) -> None:
        return None


class Recorded:
    """A provider's stream that is kept once it is whole. `done` hears what came of it: None when it broke, or nobody read on."""

    def __init__(self, stream: Stream, done: Callable[[Stored | None], None], *, usage_asked: bool) -> None:
        self.receipt = stream.receipt
        self._stream = stream
        self._done = done
        self._usage_asked = usage_asked

    async def events(self) -> AsyncGenerator[bytes]:
        recorder, made = _Recorder(), None
        try:
            async with aclosing(self._stream.events()) as events:
                async for event in events:
                    usage = recorder.take(event)
                    if usage and not self._usage_asked:
                        continue  # asked for by us, to keep it
                    yield event
            made = recorder.made(self.receipt)
        finally:
            self._done(made)

    async def abandon(self) -> None:
        self._done(None)
        await self._stream.abandon()


class CachedEngine:
    """The same doors as `Engine`."""

    def __init__(self, engine: Engine, catalog: Catalog, tiers: Tiers, options: CompletionsCache) -> None:
        self._engine = engine
        self._catalog = catalog
        self._tiers = tiers
        self._options = options
        self._under_way: dict[bytes, asyncio.Future[Stored | None]] = {}
        self.saved_nanousd = 0
        self.saved_seconds = 0.0

    async def complete(self, request: ChatRequest, asker: Asker) -> Answer:
        """From the cache where the rules allow it; `Engine.complete` else, with its errors."""
        plan = self._plan(request, asker)
        if plan is None:
            return await self._engine.complete(request, asker)
        began = perf_counter()
        found = await self._found(plan)
        if found is not None:
            return Answer(found[0].body, self._hit(request, asker, *found, began))
        done = self._lead(plan)
        try:
            answer = await self._engine.complete(request, asker)
        except BaseException as error:
            done(error)
            raise
        receipt = answer.receipt
        done(Stored(answer.body, receipt.provider, receipt.model, receipt.nanousd))
        return answer

    async def open_stream(self, request: ChatRequest, asker: Asker, *, usage_asked: bool = False) -> Stream | Replay | Recorded:
        """The same, streamed: a stored answer in pieces."""
        plan = self._plan(request, asker)
        if plan is None:
            return await self._engine.open_stream(request, asker, usage_asked=usage_asked)
        began = perf_counter()
        found = await self._found(plan)
        if found is not None:
            return Replay(found[0], self._hit(request, asker, *found, began), usage_asked=usage_asked)
        done = self._lead(plan)
        try:
            stream = await self._engine.open_stream(request, asker, usage_asked=True)
        except BaseException as error:
            done(error)
            raise
        return Recorded(stream, done, usage_asked=usage_asked)

    async def embed(self, request: EmbeddingRequest, asker: Asker) -> Vectors:
        return await self._engine.embed(request, asker)

    async def infer_batch(self, requests: Sequence[ChatRequest], asker: Callable[[int], Asker]) -> list[Answer | CairnError]:
        return await self._engine.infer_batch(requests, asker, complete=self.complete)

    async def prepare(self) -> None:
        await self._engine.prepare()

    async def close(self) -> None:
        await self._engine.close()
        await self._tiers.close()

    def _plan(self, request: ChatRequest, asker: Asker) -> _Plan | None:
        """None: this one is neither read from the cache nor kept."""
        given, options = request.parameters, self._options
        temperature = given.get("temperature")
        creative = request.choices > 1 or (temperature is not None and temperature > 0)
        if not options.enabled or request.cache == "never" or request.tools or given.get("logprobs") or given.get("modalities"):
            return None
        if creative and request.cache != "always":
            return None
        candidates = self._catalog.candidates(request.model)
        ttl = options.deterministic_ttl_seconds if temperature == 0 else options.ttl_seconds
        return _Plan(answers.key_of(request, asker, candidates), request.cache != "refresh", ttl)

    async def _found(self, plan: _Plan) -> tuple[Stored, Tier] | None:
        """Kept, or about to come: who asks the same as somebody before waits for that answer. None: ask yourself."""
        while plan.read:
            kept = await self._tiers.get(plan.key)
            if kept is not None and (found := answers.unpacked(kept.value)) is not None:
                return found, kept.tier
            waiting = self._under_way.get(plan.key)
            if waiting is None:
                return None
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    answer = await asyncio.shield(waiting)
            except TimeoutError:
                return None
            if answer is not None:
                return answer, "memory"
        return None

    def _lead(self, plan: _Plan) -> Callable[[Stored | BaseException | None], None]:
        """From now on others wait for us. The returned function says what came of it, once."""
        future: asyncio.Future[Stored | None] = asyncio.get_running_loop().create_future()
        self._under_way.setdefault(plan.key, future)

        def done(found: Stored | BaseException | None) -> None:
            if self._under_way.get(plan.key) is future:
                del self._under_way[plan.key]
            if future.done():
                return
            if isinstance(found, CairnError) and not isinstance(found, BudgetExceeded):
                future.set_exception(found)  # the same would happen to those who wait
                future.exception()
            elif isinstance(found, Stored):
                future.set_result(found)
                if _keepable(found):
                    self._tiers.set(plan.key, answers.packed(found), plan.ttl_seconds)
            else:
                future.set_result(None)  # it broke, or its caller left: the next one asks

        return done

    def _hit(self, request: ChatRequest, asker: Asker, found: Stored, tier: Tier, began: float) -> Receipt:
        asked = next((each.model for each in self._catalog.candidates(request.model) if each.name == found.provider), "")
        receipt = Receipt(provider=found.provider, model=found.model, asked_model=asked, cache=tier, saved=found.nanousd)
        self.saved_nanousd += found.nanousd
        metrics.saved.add((), found.nanousd)
        self._engine.note(request, asker, receipt, began, status=200)
        return receipt


class _Recorder:
    """Puts a plain stream's chunks together again."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._texts: list[str] = []
        self._finish: str | None = None
        self._usage: dict[str, Any] = {}
        self._plain = True

    def take(self, event: bytes) -> bool:
        """Whether it is the usage at the end."""
        data = msgspec.json.decode(event)
        self._head = self._head or {name: data.get(name) for name in ("id", "created", "model")}
        for choice in data.get("choices") or ():
            delta = choice.get("delta") or {}
            self._texts.append(delta.get("content") or "")
            self._finish = choice.get("finish_reason") or self._finish
            self._plain = self._plain and not choice.get("index") and not (delta.keys() - {"role", "content", "refusal"})
        if data.get("choices") or not data.get("usage"):
            return False
        self._usage = {name: value for name, value in data["usage"].items() if name.endswith(("_tokens", "_tokens_details"))}
        return True

    def made(self, receipt: Receipt) -> Stored | None:
        if not self._plain or self._finish is None:
            return None
        body = answers.whole(self._head, "".join(self._texts), self._finish, self._usage)
        return Stored(body, receipt.provider, receipt.model, receipt.nanousd)


def _keepable(found: Stored) -> bool:
    """Whole, said by the model itself, and without a secret."""
    choices = msgspec.json.decode(found.body).get("choices") or []
    texts = [choice["message"].get("content") for choice in choices]
    if not all(isinstance(text, str) and text and len(text) <= MOST_CHECKED_CHARS for text in texts):
        return False
    if any(choice.get("finish_reason") not in KEPT_FINISHES or choice["message"].get("tool_calls") for choice in choices):
        return False
    return not any(redact(text).findings for text in texts)
