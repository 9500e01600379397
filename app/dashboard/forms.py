"""Forms that change accounts: a refusal is shown beside its field with what was typed; a form that is sent twice has its effect once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import anyio
import structlog
from fastapi import Request, Response
from starlette.datastructures import FormData

from app.dashboard.visitor import TOKEN, Visitor, text_of
from app.errors import CairnError, Conflict
from app.idempotency.keys import Claim, KeyedRequest, StoredReply, UnderWay, carrying_out
from app.redaction.labels import free_text
from app.web import errors

log = structlog.get_logger()

ONCE: Final = "once"
"""The field that is new in each page: a form that comes again with the same one, and the same words, is the same request."""
MAX_ONCE_CHARS: Final = 100
UNDER_WAY: Final = "This form is already being processed: wait a moment, then reload the page to see the result."
SHOWN_ONCE: Final = (
    "This form was already sent. Its key or link was shown then, only once. If you lost it, revoke it below and create another."
)


@dataclass(frozen=True, slots=True)
class FormState:
    """The state of a page's forms. `form`: the one that was refused, with its values; empty: none was. `once`: the field of that name."""

    form: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    param: str = ""
    message: str = ""
    status: int = 200
    once: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def refused(cls, form: str, sent: FormData, error: CairnError) -> FormState:
        """Keep what was typed, and the refusal; secrets in it are redacted as in every error."""
        values = {name: value for name, value in sent.items() if isinstance(value, str) and name not in {TOKEN, ONCE}}
        return cls(form, values, error.param or "", free_text(error.message), errors.status_of(error))

    def typed(self, form: str, name: str, otherwise: str = "") -> str:
        """Return what stands in a field: what was typed, else its usual value."""
        return self.values.get(name, otherwise) if form == self.form else otherwise

    def problem(self, form: str, name: str) -> str:
        """Return what is wrong with a field; empty: nothing."""
        return self.message if (form, name) == (self.form, self.param) else ""

    def general(self, form: str, *fields: str) -> str:
        """Return why a form was refused where none of its fields is at fault; empty: it wasn't."""
        return self.message if form == self.form and self.param not in fields else ""


async def once(request: Request, who: Visitor, form: FormData, act: Callable[[], Awaitable[Response]], *, secret: bool = False) -> Response:
    """Carry a form out, or answer as the first time where it comes again. `secret`: the answer shows one, so it can't be given again.

    Conflict while the first is under way, and for a secret that was shown.
    """
    keys = who.services.idempotency
    found = await keys.claim(_sent(request, who, form))
    if isinstance(found, UnderWay):
        raise Conflict(UNDER_WAY)
    if isinstance(found, StoredReply):
        if found.body is None:
            raise Conflict(SHOWN_ONCE)
        return Response(found.body, found.status, headers=dict(found.headers))
    if secret and found.resumed:
        await _release(who, found)
        raise Conflict(SHOWN_ONCE)
    try:
        with carrying_out(found):
            response = await act()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _release(who, found)
        raise
    headers = {"location": response.headers["location"]} if "location" in response.headers else {}
    try:
        with anyio.CancelScope(shield=True):
            await keys.complete(found, status=response.status_code, headers=headers, body=None if secret else b"")
    except CairnError as error:  # done all the same: a repetition finds the effect, and leaves it
        log.warning("dashboard.form_not_stored", error=error.message)
    return response


def _sent(request: Request, who: Visitor, form: FormData) -> KeyedRequest:
    """Identify the form by its `once` and all its words: one that was changed after going back is another."""
    given, requester = text_of(form, ONCE)[:MAX_ONCE_CHARS], who.requester
    words = repr(sorted((name, str(value)) for name, value in form.multi_items() if name != TOKEN))
    whole = hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()
    owner = "admin" if requester.developer_id is None else str(requester.developer_id)
    address = request.url.path.encode() + b"?" + request.scope["query_string"]
    return KeyedRequest.of(requester.team_id, owner, f"form {given} {whole}", request.method.encode(), address, whole.encode())


async def _release(who: Visitor, claim: Claim) -> None:
    try:
        await who.services.idempotency.release(claim)
    except CairnError as error:  # its lease ends by itself
        log.warning("dashboard.form_not_released", error=error.message)
