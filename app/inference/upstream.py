"""One provider's stream: its timeouts, its output and the limit on it, and the single end of its hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from time import perf_counter

from app.budget.prices import TokenUsage
from app.inference import allowance, answers, provider_errors
from app.inference.allowance import OutputCount
from app.inference.answers import Chunk, Produced
from app.inference.attempts import ProviderAttempt
from app.inference.meter import OpenHold
from app.inference.provider_errors import ProviderError
from app.settings import TimeoutSettings

AFTER_FINISH_SECONDS = 2.0
"""The time to wait for the usage after the finish."""
MAX_BEFORE_FIRST_TOKEN = 1000


class Upstream:
    """Reads one provider's stream: `begin` to the first token, then `chunks`. Ends its hold exactly once."""

    def __init__(
        self,
        attempt: ProviderAttempt,
        held: OpenHold,
        source: AsyncGenerator[Chunk],
        timeouts: TimeoutSettings,
        deadline: float,
        *,
        choices: int = 1,
    ) -> None:
        self.candidate = attempt.candidate
        self.closed: Callable[[], None] = lambda: None
        """Called as the stream that had begun ends; may be called again."""
        self._attempt = attempt
        self.produced = Produced()
        self.waited = 0.0
        self._held = held
        self._source = source
        self._timeouts = timeouts
        self._deadline = deadline
        self._choices = choices
        self._first: list[Chunk] = []
        self._finish_by: float | None = None
        self._output = OutputCount(allowance.max_output(held.bounds), model=attempt.candidate.model)
        self._wordless = 0
        self._max_bytes = allowance.max_stream_bytes(held.bounds)

    @property
    def charged(self) -> TokenUsage:
        """The usage that was charged."""
        return self._held.charged

    async def begin(self) -> None:
        """Read until the first output or finish. Raises ProviderError on a failure or timeout; then nothing was delivered."""
        began = perf_counter()
        try:
            async with self._attempt.waiting(self._until(self._timeouts.first_token)):
                await self._first_token()
        except TimeoutError:
            fault = provider_errors.timeout("no first token in time")
            await self._fail(fault)
            raise fault from None
        except BaseException as error:
            await self._fail(error)
            raise
        finally:
            self.waited += perf_counter() - began

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Yield all chunks, from the first. Raises ProviderError if the stream breaks; the output until then is settled.

        A stream longer than the hold allows is cut off: what fits is passed on, finished with "length", and the whole hold is charged.
        """
        try:
            async with aclosing(self._all()) as chunks:
                async for chunk in chunks:
                    if await self._exceeds(chunk):
                        last = await self._last_chunk(chunk)
                        await self._held.dispute(self._too_long(), kind="output", model=self.produced.model)
                        await self._source.aclose()  # before yielding: the provider should stop at once
                        yield last
                        return
                    yield chunk
            await self._held.settle(self.produced.usage, self.produced.text, model=self.produced.model)
        except ProviderError as fault:
            usage = self.produced.usage or fault.usage
            await self._held.settle(usage, self.produced.text, model=self.produced.model, partial=True)
            raise
        except BaseException:
            self._held.abandon(self.produced.usage, self.produced.text, model=self.produced.model)
            raise
        finally:
            await self._close()

    async def abandon(self) -> None:
        """End a stream that nobody will read."""
        self._held.abandon(self.produced.usage, self.produced.text, model=self.produced.model)
        await self._close()

    async def _close(self) -> None:
        try:
            await self._source.aclose()
        finally:
            self.closed()

    async def _first_token(self) -> None:
        async for chunk in self._source:
            self._first.append(chunk)
            self.produced.add(chunk)
            if chunk.has_output or chunk.finish:
                return
            if len(self._first) > MAX_BEFORE_FIRST_TOKEN:
                raise provider_errors.malformed(f"its stream sent {MAX_BEFORE_FIRST_TOKEN} chunks without a token")

    async def _all(self) -> AsyncGenerator[Chunk]:
        for chunk in self._first:
            yield chunk
        async for chunk in self._rest():
            yield chunk

    async def _exceeds(self, chunk: Chunk) -> bool:
        """Count a chunk; tell whether the limit is passed. Output without text counts as a token; an unrequested choice is too much."""
        if any(index >= self._choices for index in chunk.indexes):
            return True
        self._wordless += chunk.has_output and not chunk.text
        too_many = self._wordless > self._output.limit or self.produced.bytes > self._max_bytes
        return await self._output.passed(chunk.text) or too_many

    async def _last_chunk(self, chunk: Chunk) -> Chunk:
        """Return the last chunk of an answer that is too long: the text that still fits, and the finish."""
        whole, text = self.produced.text, ""
        if self.produced.plain and chunk.plain and chunk.text:
            fits = await asyncio.to_thread(allowance.beginning, whole, self._output.limit, model=self.candidate.model)
            text = fits[len(whole) - len(chunk.text) :]
        unfinished = [index for index in range(self._choices) if index not in self.produced.finished - chunk.finished]
        last = answers.ending(chunk, text, unfinished)
        self.produced.finish = last.finish
        return last

    def _too_long(self) -> str:
        return f"Its answer was longer than the {self._held.bounds.max_tokens:,} tokens that the request allowed: it was cut off."

    async def _rest(self) -> AsyncGenerator[Chunk]:
        """Yield the chunks after the first token. After the finish only the usage is awaited, briefly, and errors are ignored."""
        while True:
            finished = len(self.produced.finished) >= self._choices
            if finished and self.produced.usage is not None:
                return
            if finished and self._finish_by is None:
                self._finish_by = self._until(AFTER_FINISH_SECONDS)
            try:
                async with asyncio.timeout_at(self._until(self._timeouts.idle) if self._finish_by is None else self._finish_by):
                    chunk = await anext(self._source, None)
            except TimeoutError:
                if finished:
                    return
                raise provider_errors.timeout("no next token in time") from None
            except ProviderError:
                if finished:
                    return
                raise
            if chunk is None:
                return
            self.produced.add(chunk)
            yield chunk

    def _until(self, seconds: float) -> float:
        return min(asyncio.get_running_loop().time() + seconds, self._deadline)

    async def _fail(self, error: BaseException) -> None:
        await self._held.fail(error)
        await self._source.aclose()
