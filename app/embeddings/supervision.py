"""Supervises the bulk process: starts it on demand, restarts it when it dies, stops it when idle."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from app.embeddings.frames import LENGTH, SliceReply, framed
from app.embeddings.model import NAME
from app.embeddings.tokenizer import readable
from app.errors import Unavailable
from app.settings import EmbeddingsSettings
from app.telemetry import metrics

log = structlog.get_logger()

START_SECONDS = 60.0
IDLE_SECONDS = 120.0
"""The process takes some 130 MB, so it stops when unused."""
STOP_SECONDS = 2.0
MAX_ATTEMPTS = 2
"""Attempts per slice: if the process dies during each of them, the slice fails."""


class EmbeddingProcess:
    """The bulk lane's child process, which embeds one slice at a time: await each call before the next."""

    model = NAME

    def __init__(self, command: Sequence[str], *, timeout_seconds: float, idle_seconds: float = IDLE_SECONDS) -> None:
        self._command = command
        self._timeout = timeout_seconds
        self._idle_seconds = idle_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @staticmethod
    def of(options: EmbeddingsSettings, models: Path) -> EmbeddingProcess:
        """Return this machine's bulk process, not yet started."""
        command = [sys.executable, "-P", "-m", "app.embeddings.process", "--models", str(models), "--options", options.model_dump_json()]
        return EmbeddingProcess(command, timeout_seconds=options.timeout_seconds)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        self._cancel_idle_timer()
        if self.pid is not None:
            return
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
            )
            log.info("child.started", child="embeddings", pid=self._process.pid)
            async with asyncio.timeout(START_SECONDS):
                await self._received()
        except (TimeoutError, EOFError, OSError) as error:
            await self._kill()
            raise _unavailable("could not be started", error) from error
        except BaseException:
            await self._kill()
            raise

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed a slice: (n, 384). Raises Unavailable if it takes too long, or the process dies during each attempt."""
        for tries_left in reversed(range(MAX_ATTEMPTS)):
            await self.start()
            try:
                return await self._exchange(texts)
            except (EOFError, OSError) as error:
                log.warning("child.died", child="embeddings", texts=len(texts))
                await self._kill()
                if not tries_left:
                    raise _unavailable("died while embedding these texts", error) from error
        raise AssertionError("unreachable")

    async def close(self) -> None:
        self._cancel_idle_timer()
        await self._stop()

    async def _exchange(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert self._process is not None
        assert self._process.stdin is not None
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timeout):
                self._process.stdin.write(framed([readable(text) for text in texts]))
                await self._process.stdin.drain()
                reply = await self._received()
        except TimeoutError:
            await self._kill()
            raise Unavailable(f"Embedding took longer than {self._timeout:g} s. Try again.", code="embeddings_unavailable") from None
        except asyncio.CancelledError:
            await self._kill()  # its reply would be taken for the next slice's
            raise
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._idle_seconds, self._stop_idle)
        if reply.error:
            raise Unavailable(f"The texts could not be embedded: {reply.error}", code="embeddings_unavailable")
        metrics.embedded(texts=len(texts), seconds=loop.time() - began)
        return np.frombuffer(reply.vectors, dtype="<f4").reshape(len(texts), -1).astype(np.float32)

    async def _received(self) -> SliceReply:
        assert self._process is not None
        assert self._process.stdout is not None
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        return msgspec.msgpack.decode(await self._process.stdout.readexactly(length), type=SliceReply)

    def _cancel_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _stop_idle(self) -> None:
        """Close the idle process's input, which makes it exit."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()

    async def _stop(self) -> None:
        process = self._process
        self._stop_idle()
        if process is None:
            return
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _unavailable(failure: str, error: BaseException) -> Unavailable:
    reason = f" ({error})" if str(error) else ""
    message = f"The process that embeds batches {failure}{reason}: the server's log says why. Try again."
    return Unavailable(message, code="embeddings_unavailable")
