"""Idempotency keys of requests that create: a retry with the same `idempotency-key` gets the first one's reply, and repeats nothing.

A route asks for it with `dependencies=[ONCE]`, or `[ONCE_SECRET]` where its reply shows a secret. Calls of models are not among them:
an answer may differ each time, and streams have no reply to store.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import anyio
import structlog
from fastapi import Depends, Header, Request, Response

from app.errors import CairnError, Conflict, InvalidInput
from app.idempotency.keys import Claim, IdempotencyKeys, KeyedRequest, StoredReply, UnderWay, carrying_out
from app.web import errors
from app.web.json_body import Answer
from app.web.requester import requester_of, services_of

log = structlog.get_logger()

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotency-replayed"
MAX_CHARS: Final = 255
KEPT_HEADERS: Final = ("location", "etag", "content-type")
_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_CHARS}}}")
DESCRIPTION: Final = (
    "A value that the client chooses for this request, such as a UUID. If the same request with the same key is sent again within 24 "
    "hours, it isn't carried out again: the first reply is repeated, with `idempotency-replayed: true`. While the first request is "
    "running: 409. With a different body: 422."
)

GivenKey = Annotated[
    str | None, Header(alias=HEADER, max_length=MAX_CHARS, description=DESCRIPTION, examples=["6f1c0f0e-top-up-ada-november"])
]


class CarriedOutOnce:
    """Dependency that marks a route. `secret`: its reply shows a secret, so it is never stored nor given again."""

    def __init__(self, *, secret: bool = False) -> None:
        self._secret = secret

    async def __call__(self, idempotency_key: GivenKey = None) -> None:
        """Describe the header. `answer` reads it, before FastAPI solves the route."""

    async def answer(self, request: Request, handle: Answer) -> Response:
        """Carry a request with a key out, or give the reply of the first one again."""
        keys = services_of(request).idempotency
        found = await keys.claim(await _sent(request))
        if isinstance(found, UnderWay):
            said = "A request with this idempotency-key is still running: send it again in a moment to get its reply."
            return errors.reply(409, said, "idempotency_in_progress", param=HEADER, headers={"retry-after": "1"})
        if isinstance(found, StoredReply):
            return _again(found)
        if self._secret and found.resumed:
            await _release(keys, found)
            raise _shown_once(found.made)
        return await self._first(request, handle, keys, found)

    async def _first(self, request: Request, handle: Answer, keys: IdempotencyKeys, claim: Claim) -> Response:
        try:
            with carrying_out(claim):
                response = await handle(request)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await _release(keys, claim)
            raise
        if response.status_code >= 300:
            await _release(keys, claim)
            return response
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        body = None if self._secret else bytes(response.body)
        try:
            with anyio.CancelScope(shield=True):
                await keys.complete(claim, status=response.status_code, headers=headers, body=body)
        except CairnError as error:  # done all the same: a retry finds the effect, and leaves it
            log.warning("idempotency.reply_not_stored", error=error.message)
        if claim.resumed:
            response.headers[REPLAYED] = "true"
        return response


ONCE: Final = Depends(CarriedOutOnce())
ONCE_SECRET: Final = Depends(CarriedOutOnce(secret=True))


async def _sent(request: Request) -> KeyedRequest:
    given = request.headers.getlist(HEADER)
    if len(given) != 1 or not _KEY.fullmatch(given[0]):
        said = f"{HEADER} must be sent once, with 1 to {MAX_CHARS} printable ASCII characters without spaces, such as a UUID."
        raise InvalidInput(said, param=HEADER)
    requester, scope = requester_of(request), request.scope
    address = scope["path"].encode() + b"?" + scope["query_string"]
    owner = "admin" if requester.developer_id is None else str(requester.developer_id)
    return KeyedRequest.of(requester.team_id, owner, given[0], scope["method"].encode(), address, await request.body())


def _again(stored: StoredReply) -> Response:
    if stored.body is None:
        raise _shown_once(stored.made)
    return Response(stored.body, stored.status, headers={**stored.headers, REPLAYED: "true"})


def _shown_once(made: str | None) -> Conflict:
    return Conflict(
        f"This request was already carried out, and created {made}. The secret was shown once and is not stored. If it was lost, "
        "revoke it (`cairn keys revoke`, `cairn developers revoke-invitation`) and create another with a new idempotency-key.",
        param=HEADER,
        code="secret_shown_once",
    )


async def _release(keys: IdempotencyKeys, claim: Claim) -> None:
    try:
        await keys.release(claim)
    except CairnError as error:  # its lease ends by itself
        log.warning("idempotency.not_released", error=error.message)
