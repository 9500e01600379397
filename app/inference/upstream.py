"""One provider's stream: its timeouts, what it has brought and may bring, and the one end of its hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import perf_counter

from app.budget.prices import Usage
from app.inference import allowance, answers, faults
from app.inference.allowance import OutputCount
from app.inference.answers import Chunk, Produced
from app.inference.chain import Candidate
from app.inference.faults import Fault
from app.inference.meter import Held
from app.settings import Timeouts

AFTER_FINISH_SECONDS = 2.0
"""How long the usage may lag behind the finish."""
MOST_BEFORE_FIRST_TOKEN = 1000


class Upstream:
    """`begin` until its first token, then `chunks`. Whatever happens, its hold ends once."""

    def __init__(
        self, candidate: Candidate, held: Held, source: AsyncGenerator[Chunk], timeouts: Timeouts, deadline: float, *, choices: int = 1
    ) -> None:
        self.candidate = candidate
        self.produced = Produced()
        self.waited = 0.0
        self._held = held
        self._source = source
        self._timeouts = timeouts
        self._deadline = deadline
        self._choices = choices
        self._first: list[Chunk] = []
        self._finish_by: float | None = None
        self._output = OutputCount(allowance.max_output(held.estimate), model=candidate.model)
        self._wordless = 0
        self._max_bytes = allowance.max_stream_bytes(held.estimate)

    @property
    def charged(self) -> Usage:
        """The tokens that it was settled at."""
        return self._held.charged

    async def begin(self) -> None:
        """Until something was said, or it finished. Fault when that doesn't come; then nothing of it was delivered."""
        began = perf_counter()
        try:
            async with asyncio.timeout_at(self._until(self._timeouts.first_token)):
                await self._first_token()
        except TimeoutError:
            fault = faults.timeout("no first token in time")
            await self._fail(fault)
            raise fault from None
        except BaseException as error:
            await self._fail(error)
            raise
        finally:
            self.waited += perf_counter() - began

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """Yield all of them, from the first. Fault when it breaks; what was produced until then is settled.

        One that brings more than was held is ended: what fits is passed on, with "length" as its finish, and the hold is charged.
        """
        try:
            async with aclosing(self._all()) as chunks:
                async for chunk in chunks:
                    if await self._too_much(chunk):
                        last = await self._ending(chunk)
                        await self._held.dispute(self._too_long(), kind="output", model=self.produced.model)
                        await self._source.aclose()  # before whoever reads: the provider is to stop now
                        yield last
                        return
                    yield chunk
            await self._held.settle(self.produced.usage, self.produced.text, model=self.produced.model)
        except Fault:
            await self._held.settle(self.produced.usage, self.produced.text, model=self.produced.model, partial=True)
            raise
        except BaseException:
            self._held.abandon(self.produced.usage, self.produced.text, model=self.produced.model)
            raise
        finally:
            await self._source.aclose()

    async def abandon(self) -> None:
        """It was begun, and nobody will read it."""
        self._held.abandon(self.produced.usage, self.produced.text, model=self.produced.model)
        await self._source.aclose()

    async def _first_token(self) -> None:
        async for chunk in self._source:
            self._first.append(chunk)
            self.produced.add(chunk)
            if chunk.said or chunk.finish:
                return
            if len(self._first) > MOST_BEFORE_FIRST_TOKEN:
                raise faults.malformed("its stream says nothing without end")

    async def _all(self) -> AsyncGenerator[Chunk]:
        for chunk in self._first:
            yield chunk
        async for chunk in self._rest():
            yield chunk

    async def _too_much(self, chunk: Chunk) -> bool:
        """Count what came. What says something takes a token, however short; a choice that nobody asked for is too much."""
        if any(index >= self._choices for index in chunk.indexes):
            return True
        self._wordless += chunk.said and not chunk.text
        too_many = self._wordless > self._output.limit or self.produced.bytes > self._max_bytes
        return await self._output.passed(chunk.text) or too_many

    async def _ending(self, chunk: Chunk) -> Chunk:
        """Make the last chunk of an answer that is too long: what still fits of this one, where that is text, and the finish."""
        whole, text = self.produced.text, ""
        if self.produced.plain and chunk.plain and chunk.text:
            fits = await asyncio.to_thread(allowance.beginning, whole, self._output.limit, model=self.candidate.model)
            text = fits[len(whole) - len(chunk.text) :]
        unfinished = [index for index in range(self._choices) if index not in self.produced.finished - chunk.finished]
        last = answers.ending(chunk, text, unfinished)
        self.produced.finish = last.finish
        return last

    def _too_long(self) -> str:
        return f"Its answer was longer than the {self._held.estimate.max_tokens:,} tokens that were asked for: it was ended."

    async def _rest(self) -> AsyncGenerator[Chunk]:
        """Once it has finished, only its usage is waited for, and not for long: what breaks then breaks nothing."""
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
                raise faults.timeout("no next token in time") from None
            except Fault:
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
