"""The one table that maps errors to HTTP statuses. Every error has the JSON shape of its path, without a stack trace."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    CairnError,
    ChangedMeanwhile,
    Conflict,
    ContentRejected,
    DeadlineExceeded,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RateLimited,
    TooLarge,
    Unavailable,
    Unreadable,
)
from app.redaction.labels import free_text
from app.web import budget_headers, error_shapes, request_ids
from app.web.field_problems import field, most_precise, others, sentence_of

STATUS: Mapping[type[CairnError], int] = {
    Unreadable: 400,
    ContentRejected: 400,
    NotAuthenticated: 401,
    BudgetExceeded: 402,
    NotPermitted: 403,
    NotFound: 404,
    Conflict: 409,
    ChangedMeanwhile: 412,
    TooLarge: 413,
    InvalidInput: 422,
    RateLimited: 429,
    AllProvidersFailed: 502,
    Unavailable: 503,
    DeadlineExceeded: 504,
}
TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    412: "conflict_error",
    429: "rate_limit_error",
    503: "unavailable_error",
}
"""OpenAI's error types where it has them; every other 4xx is an `invalid_request_error`, every other 5xx an `api_error`."""


UNEXPECTED = (
    "The server failed unexpectedly. Try again. If it happens again, give an admin the request id: with it they find the cause in "
    "the server's log."
)


class ErrorBody(BaseModel):
    """An error. `param` names the field at fault; `request_id` identifies the request in the server's log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "limit must lie between 1 and 100.",
                "type": "invalid_request_error",
                "code": "invalid_input",
                "param": "limit",
                "request_id": "4f0c9a…",
            }
        }
    )

    message: str
    type: str
    code: str
    param: str | None
    request_id: str | None


class ErrorReply(BaseModel):
    error: ErrorBody


def responses(*more: int) -> dict[int | str, dict[str, object]]:
    """Return a route's error replies for OpenAPI: those of every route that takes a key, and `more`."""
    statuses = sorted({401, 403, 404, 422, 429, 503, *more})
    return {status: {"model": ErrorReply, "description": HTTPStatus(status).phrase} for status in statuses}


class AnthropicErrorDetails(BaseModel):
    """`param` names the field at fault."""

    error_code: str
    param: str | None = None


class AnthropicErrorBody(BaseModel):
    type: str
    message: str
    details: AnthropicErrorDetails


class AnthropicErrorReply(BaseModel):
    """An error in the shape that Anthropic's clients know. `request_id` finds the request in the logs."""

    type: Literal["error"]
    error: AnthropicErrorBody
    request_id: str | None


def anthropic_responses(*more: int) -> dict[int | str, dict[str, object]]:
    """Return the error replies of a route of Anthropic's for OpenAPI. A wrong field is 400 there; the framework names 422 nevertheless."""
    return {status: {**described, "model": AnthropicErrorReply} for status, described in responses(400, *more).items()}


def install(app: FastAPI) -> None:
    app.add_exception_handler(CairnError, _cairn)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


def reply(status: int, message: str, code: str, *, param: str | None = None, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body, given = _body(status, message, code, param), dict(headers or {})
    if error_shapes.current() == "anthropic":
        status = error_shapes.anthropic_status(status)
        given |= request_ids.anthropic_header()
    elif error_shapes.current() == "codex" and status == 402:
        status = 429  # another one it would ask five times more
    return JSONResponse(body, status_code=status, headers=given)


def body_of(error: CairnError) -> dict[str, object]:
    """Return an error's JSON body, for the last event of a stream."""
    return _body(status_of(error), error.message, error.code, error.param)


def status_of(error: CairnError) -> int:
    """Return the status of the error's nearest ancestor in the table; 500 if there is none."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def type_of(status: int) -> str:
    """Return the `type` of an error with this status."""
    return TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def _body(status: int, message: str, code: str, param: str | None) -> dict[str, object]:
    """Build the error body; secrets are redacted, since a message may quote the request (a field, a model, a rule)."""
    message, param = free_text(message), param and free_text(param)
    if error_shapes.current() == "anthropic":
        return error_shapes.anthropic_body(status, message, code, param, request_ids.current())
    return {
        "error": {
            "message": message,
            "type": "usage_limit_reached" if error_shapes.current() == "codex" and status == 402 else type_of(status),
            "code": code,
            "param": param,
            "request_id": request_ids.current(),
        }
    }


def reply_to(error: CairnError) -> JSONResponse:
    """Return an error as an HTTP response, with the headers of its kind."""
    status = status_of(error)
    if status == 500:
        return unexpected()
    headers = {}
    if isinstance(error, Unavailable | RateLimited | AllProvidersFailed) and error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, BudgetExceeded):
        headers["x-should-retry"] = "false"  # OpenAI's clients obey it
        headers["x-cairn-budget-resets-at"] = error.resets_at.isoformat()
        if error_shapes.current() == "anthropic":
            headers |= budget_headers.exceeded(error)
        elif error_shapes.current() == "codex":
            headers |= budget_headers.shown_by_codex(error)
    if isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = 'Bearer realm="cairn"'
    return reply(status, error.message, error.code, param=error.param, headers=headers)


def unexpected() -> JSONResponse:
    return reply(500, UNEXPECTED, "internal_error")


async def _cairn(_: Request, error: Exception) -> Response:
    assert isinstance(error, CairnError)
    return reply_to(error)


async def _validation(_: Request, error: Exception) -> Response:
    """Map FastAPI's validation errors: invalid JSON is 400, an invalid field is 422 and named."""
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return reply(400, "The body is not valid JSON. Send Content-Type: application/json and a JSON object.", "unreadable")
    first = most_precise(problems)
    param = field(first["loc"])
    if param is None:
        return reply(422, "The body must be a JSON object, sent with Content-Type: application/json.", "invalid_input")
    return reply(422, sentence_of(param, first) + others(param, problems), "invalid_input", param=param)


async def _http(_: Request, error: Exception) -> Response:
    """Map the router's 404 and 405, and a body that could not be read, whose cause is reported."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, CairnError):
        return reply_to(error.__cause__)
    match error.status_code:
        case 404:
            return reply(404, "There is no such route. /docs lists all routes.", "not_found")
        case 405:
            return reply(
                405,
                "This route doesn't take this method. /docs lists all routes with their methods.",
                "method_not_allowed",
                headers=error.headers,
            )
        case 400:
            return reply(400, "The request's body could not be read. Send it again as JSON in UTF-8.", "unreadable")
        case status:
            said = (
                f"The server can't answer this request: {HTTPStatus(status).phrase.lower()} ({status}). /docs says what each route takes."
            )
            return reply(status, said, "http_error", headers=error.headers)
