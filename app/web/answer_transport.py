"""The transport that a connection's answers are written to: an answer's head goes out with the first of its body, as one system call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class AnswerTransport:
    """A transport, as far as uvicorn needs one for answers. Its `close`, which uvicorn calls after the last one, is the protocol's.

    A head waits for its body for one turn of the event loop at most. `expects_head`: the next that is written is one.
    """

    __slots__ = ("_call_soon", "_head", "_transport", "close", "expects_head", "is_closing")

    def __init__(
        self,
        transport: asyncio.Transport,
        call_soon: Callable[[Callable[[], None]], object],
        is_closing: Callable[[], bool],
        close: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._call_soon = call_soon
        self._head = b""
        self.expects_head = False
        self.is_closing, self.close = is_closing, close

    def write(self, data: bytes) -> None:
        if self.expects_head:
            self.expects_head = False
            self._head = data
            self._call_soon(self.flush)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write a head that still waits."""
        if self._head:
            head, self._head = self._head, b""
            if not self._transport.is_closing():
                self._transport.write(head)
