"""The limits of keys, before anything else of a request is looked at: who is over one costs no parsing, no hold, no query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import cachebox
import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import CairnError
from app.inference.request import uncounted
from app.limits.limits import Admission
from app.limits.own import Unit
from app.web import errors, told
from app.web.connections import mark_keyed
from app.web.principal import presented_key, services_of

log = structlog.get_logger()

LIMITED_PREFIX = "/v1/"
MODEL_CALLS = frozenset({"/v1/chat/completions", "/v1/embeddings"})
UNITS: Final[tuple[Unit, ...]] = ("requests", "tokens")
SAID_KEYS, SAID_SECONDS = 10_000, 60
"""Who is refused is named in the log once a minute: a refusal must stay cheap."""
_ADMISSION = "cairn.admission"


class Limited:
    """Pure ASGI, within the edge. Without limits in the settings it does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._said: cachebox.TTLCache[UUID, None] = cachebox.TTLCache(SAID_KEYS, SAID_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(LIMITED_PREFIX) or not services_of(Request(scope)).limits.any:
            await self._app(scope, receive, send)
            return
        try:
            admission = await self._admitted(scope)
        except CairnError as error:
            await errors.reply_to(error)(scope, receive, send)
            return
        if admission is None:
            await self._app(scope, receive, send)
            return

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                _stamp(MutableHeaders(scope=message), admission)
            await send(message)

        if admission.refusal is not None:
            await errors.reply_to(admission.refusal)(scope, receive, stamped)
        else:
            scope[_ADMISSION] = admission
            await self._app(scope, receive, stamped)

    async def _admitted(self, scope: Scope) -> Admission | None:
        """None: this key has no limit here, or there is none, which the route says. NotAuthenticated, DatabaseUnavailable."""
        request = Request(scope)
        key, services = await presented_key(request), services_of(request)
        if key is None:
            return None
        caller = await services.accounts.authenticate(key)
        if caller.key_id is None:
            return None
        mark_keyed(scope)
        told.who(scope, caller.developer, caller.team)  # a refusal's log line names them too
        admission = await services.limits.admit(caller.key_id, model=scope["path"] in MODEL_CALLS)
        if admission is not None and admission.refusal is not None and caller.key_id not in self._said:
            self._said[caller.key_id] = None
            log.info("limits.refused", developer=caller.developer, key_id=str(caller.key_id), reason=admission.refusal.message)
        return admission


def counter(request: Request) -> Callable[[int], None]:
    """Where the tokens of a request's calls are counted, once they are known."""
    admission = request.scope.get(_ADMISSION)
    return admission.used if isinstance(admission, Admission) else uncounted


def _stamp(headers: MutableHeaders, admission: Admission) -> None:
    """OpenAI's names."""
    for unit in UNITS:
        if (standing := admission.standing(unit)) is not None:
            headers.append(f"x-ratelimit-limit-{unit}", str(standing.limit))
            headers.append(f"x-ratelimit-remaining-{unit}", str(standing.left))
            headers.append(f"x-ratelimit-reset-{unit}", f"{standing.reset_seconds:.3f}".rstrip("0").rstrip(".") + "s")
