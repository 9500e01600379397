"""The request's id for logs and errors: from `x-request-id` if that is well-formed, else a new one."""

from __future__ import annotations

import re
from contextvars import ContextVar
from uuid import uuid4

from app.redaction.labels import looks_like_a_secret

HEADER = "x-request-id"
ANTHROPIC_HEADER = "request-id"
"""The name under which Anthropic's clients look for it."""
_SHAPE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def choose(offered: str | None) -> str:
    """Return the caller's id if it is safe to log (short, no control characters, no secret), else a new one; bind it to the context."""
    usable = offered is not None and _SHAPE.fullmatch(offered) is not None and not looks_like_a_secret(offered)
    chosen = offered if offered is not None and usable else uuid4().hex
    _current.set(chosen)
    return chosen


def current() -> str | None:
    return _current.get()


def anthropic_header() -> dict[str, str]:
    """Return the id under the name that Anthropic's clients read."""
    request_id = current()
    return {} if request_id is None else {ANTHROPIC_HEADER: request_id}
