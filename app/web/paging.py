"""Pages of lists: `cursor` and `limit` in, `next_cursor` out. A cursor is opaque and sealed; the rooms know where a page begins.

The seal covers the list, its team and its filters: a cursor that was altered, or that comes with other filters, would silently skip rows.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Query, Request
from pydantic import Field

from app.errors import InvalidInput
from app.web.requester import requester_of, services_of

SEAL_BYTES: Final = 12
MAX_CURSOR_CHARS: Final = 800
PAGED: Final = frozenset({"cursor", "limit"})
"""Parameters that may differ from page to page."""
FOREIGN: Final = (
    "This cursor doesn't belong to this list: send `next_cursor` of the previous page with the same filters, or leave out cursor to "
    "start from the beginning."
)

GivenCursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR_CHARS, description="`next_cursor` of the previous page, sent with the same filters.")
]
NextCursor = Annotated[str | None, Field(description="Pass as `cursor` for the next page; null on the last one.")]


class Paging:
    """The page of a list that a request asks for. `after`: where the page before ended, as the list's room writes it; None: the first."""

    def __init__(self, request: Request, cursor: str | None) -> None:
        scope = request.scope
        filters = sorted((name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name not in PAGED)
        self._secret = services_of(request).secrets.secret_key.encode()
        self._list = repr((scope["path"], str(requester_of(request).team_id), filters)).encode()
        self.after = None if cursor is None else self._opened(cursor)

    def next_cursor(self, place: object | None) -> str | None:
        """Return the cursor of the page that follows a place; None: there is none."""
        if place is None:
            return None
        raw = str(place).encode()
        return _written(self._seal(raw) + raw)

    def _opened(self, cursor: str) -> str:
        try:
            whole = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            seal, raw = whole[:SEAL_BYTES], whole[SEAL_BYTES:]
            if _written(whole) != cursor or not hmac.compare_digest(seal, self._seal(raw)):  # the decoder skips what is no base64
                raise ValueError(cursor)
            return raw.decode()
        except ValueError:
            raise InvalidInput(FOREIGN, param="cursor") from None

    def _seal(self, raw: bytes) -> bytes:
        return hmac.digest(self._secret, b"cursor\0" + self._list + b"\0" + raw, hashlib.sha256)[:SEAL_BYTES]


def _written(whole: bytes) -> str:
    return urlsafe_b64encode(whole).decode().rstrip("=")


async def _paging(request: Request, cursor: GivenCursor = None) -> Paging:
    return Paging(request, cursor)


Page = Annotated[Paging, Depends(_paging)]
