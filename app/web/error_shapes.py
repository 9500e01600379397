"""The JSON shape of an error reply: OpenAI's on most paths, Anthropic's where its clients ask. Knows no kind of error.

The shape is chosen once per request, before anything can fail, and bound to its context, as the request's id is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, Literal

from starlette.datastructures import Headers
from starlette.types import Scope

Shape = Literal["openai", "anthropic", "codex"]
"""Codex asks in OpenAI's dialect, and reads a used-up budget as OpenAI's plans tell it."""
MESSAGES_PATH: Final = "/v1/messages"
VERSION_HEADER: Final = "anthropic-version"
"""Anthropic's clients send it with every request: it tells them apart on paths that both vendors have."""
SHARED_PATH: Final = "/v1/models"
RESPONSES_PATH: Final = "/v1/responses"
CLIENT_HEADER: Final = "originator"
"""The name that Codex gives itself with each request, such as "codex_exec"."""
_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Anthropic's error types; every other 4xx is an `invalid_request_error`, every other 5xx an `api_error`."""
_STATUSES: Final[Mapping[int, int]] = {402: 429, 422: 400}
"""Statuses that Anthropic's interface tells otherwise: an exhausted budget, and a wrong field."""
_TOO_LONG: Final = "prompt is too long"
"""Words by which its clients know that they must compact the conversation."""
_current: ContextVar[Shape] = ContextVar("error_shape", default="openai")


def choose(scope: Scope) -> None:
    """Choose the shape of a request's errors by its path and headers."""
    path = scope["path"]
    anthropic = path == MESSAGES_PATH or path.startswith(f"{MESSAGES_PATH}/")
    if path == SHARED_PATH or path.startswith(f"{SHARED_PATH}/"):
        anthropic = VERSION_HEADER in Headers(scope=scope)
    codex = path == RESPONSES_PATH and Headers(scope=scope).get(CLIENT_HEADER, "").startswith("codex")
    _current.set("anthropic" if anthropic else "codex" if codex else "openai")


def current() -> Shape:
    return _current.get()


def anthropic_status(status: int) -> int:
    """Return the status that Anthropic's clients expect."""
    return _STATUSES.get(status, status)


def anthropic_body(status: int, message: str, code: str, param: str | None, request_id: str | None) -> dict[str, Any]:
    """Return an error in Anthropic's shape. `status`: Cairn's own; the code and the field stand in `details`."""
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    if code == "context_length_exceeded" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    details = {"error_code": code} if param is None else {"error_code": code, "param": param}
    return {"type": "error", "error": {"type": kind, "message": message, "details": details}, "request_id": request_id}
