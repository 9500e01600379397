"""The multipart field `file` as a stream. Starlette's own form parser spools to disk: unredacted bytes must not lie there."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from email.message import Message
from urllib.parse import unquote

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from app.errors import InvalidInput, Unreadable

FIELD = "file"
NO_FILE = "The form has no field `file`: send the transcript in it (curl -F file=@session.jsonl), or as the raw body."


def boundary(content_type: str) -> str | None:
    """Return the boundary of a `multipart/form-data` content type; None for any other type. Unreadable where it has none."""
    message = Message()
    message["content-type"] = content_type
    if message.get_content_type() != "multipart/form-data":
        return None
    found = message.get_boundary()
    if not found:
        raise Unreadable("The Content-Type multipart/form-data has no boundary: let the client library set that header.")
    return found


class FilePart:
    """The file of one form: call `name()` first, then `chunks()`. Buffers no more than one network chunk."""

    def __init__(self, stream: AsyncIterator[bytes], boundary: str) -> None:
        self._stream = stream
        self._headers: dict[str, str] = {}
        self._field, self._value = bytearray(), bytearray()
        self._in_file = self._seen = self._closed = False
        self._name = ""
        self._ready: deque[bytes] = deque()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                    "on_header_end": self._header_ended,
                    "on_headers_finished": self._part_opened,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ended,
                    "on_end": self._ended,
                },
            )
        except FormParserError as error:
            raise Unreadable("The boundary in the Content-Type is not valid: let the client library set that header.") from error

    async def name(self) -> str:
        """Read up to the file's first bytes and return its name as the client gave it. InvalidInput when the form has no file."""
        while not self._seen:
            if not await self._feed():
                raise InvalidInput(NO_FILE, param=FIELD)
        return self._name

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes. Unreadable when the form ends before its last boundary: a truncated file is refused."""
        while True:
            while self._ready:
                yield self._ready.popleft()
            if not await self._feed():
                break
        if not self._closed:
            raise Unreadable("The multipart body ends before its last boundary: send it again, whole.")

    async def _feed(self) -> bool:
        """Feed one network chunk to the parser. Returns False at the end of the stream."""
        chunk = await anext(self._stream, None)
        if chunk is None:
            return False
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Unreadable(
                f"The multipart body is not valid ({error}): send it again, or send the transcript as the raw body."
            ) from error
        return True

    def _header_ended(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._field.clear()
        self._value.clear()

    def _part_opened(self) -> None:
        message = Message()
        message["content-disposition"] = _one_line(self._headers.get("content-disposition", ""))
        self._in_file = message.get_param("name", header="content-disposition") == FIELD
        if not self._in_file:
            return
        if self._seen:
            raise InvalidInput("The form has more than one field `file`: send each transcript in a request of its own.", param=FIELD)
        self._seen = True
        self._name = unquote(message.get_filename() or "")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._ready.append(data[start:end])

    def _part_ended(self) -> None:
        self._in_file = False

    def _ended(self) -> None:
        self._closed = True


def _one_line(header: str) -> str:
    return header.replace("\r", " ").replace("\n", " ")
