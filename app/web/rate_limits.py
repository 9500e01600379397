"""Applies the rate limits of keys before anything is parsed or held; the response carries what is left. Knows no window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

import cachebox
import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from app.accounts.requester import Requester
from app.inference.request import uncounted
from app.rate_limits.limits import Admission, RateLimits
from app.rate_limits.local import Unit

log = structlog.get_logger()

UNITS: Final[tuple[Unit, ...]] = ("requests", "tokens")
MAX_LOGGED_KEYS, LOGGED_SECONDS = 10_000, 60
"""A refused key is logged once a minute, so that refusals stay cheap."""
_ADMISSION = "cairn.admission"


class RequestLimits:
    """Counts a request against its key's limits. The admin key has none."""

    def __init__(self) -> None:
        self._logged: cachebox.TTLCache[UUID, None] = cachebox.TTLCache(MAX_LOGGED_KEYS, LOGGED_SECONDS)

    async def admit(self, scope: Scope, limits: RateLimits, requester: Requester, *, model: bool) -> None:
        """Count one request, and keep the state of the limits for its response. RateLimitExceeded where one is reached."""
        if requester.key_id is None:
            return
        admission = await limits.admit(requester.key_id, model=model)
        if admission is None:
            return
        scope[_ADMISSION] = admission
        if admission.refusal is not None:
            if requester.key_id not in self._logged:
                self._logged[requester.key_id] = None
                log.info("limits.refused", developer=requester.developer, key_id=str(requester.key_id), reason=admission.refusal.message)
            raise admission.refusal


def token_counter(request: Request) -> Callable[[int], None]:
    """Return the callback that counts a request's tokens once they are known."""
    admission = request.scope.get(_ADMISSION)
    return admission.used if isinstance(admission, Admission) else uncounted


def with_limit_headers(scope: Scope, send: Send) -> Send:
    """Wrap `send` to add the state of the key's limits in OpenAI's `x-ratelimit-…` headers."""

    async def stamped(message: Message) -> None:
        admission = scope.get(_ADMISSION)
        if message["type"] == "http.response.start" and isinstance(admission, Admission):
            _add_limit_headers(MutableHeaders(scope=message), admission)
        await send(message)

    return stamped


def _add_limit_headers(headers: MutableHeaders, admission: Admission) -> None:
    for unit in UNITS:
        if (state := admission.state(unit)) is not None:
            headers.append(f"x-ratelimit-limit-{unit}", str(state.limit))
            headers.append(f"x-ratelimit-remaining-{unit}", str(state.left))
            headers.append(f"x-ratelimit-reset-{unit}", f"{state.reset_seconds:.3f}".rstrip("0").rstrip(".") + "s")
