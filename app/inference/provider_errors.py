"""The kinds of provider failure: every wire raises `ProviderError`, and nothing else.

The kind decides most of what follows (retry, next provider, give up: `chain.py`; breaker: `counts`). Beside it, a retry also depends on
`status` and `retry_after`, the breaker on `usage` and `echo`, and the money on `unknown` and `usage`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from app import clock
from app.budget.prices import TokenUsage
from app.inference.profiles import error_words

FailureKind = Literal[
    "unreachable",  # refused, no such host, no connection in time: nothing was sent
    "reset",  # the connection broke before an answer began
    "timeout",  # no answer, no first token, or no next token in time
    "rate_limited",  # 429
    "server_error",  # 5xx
    "key",  # 401, 403: our key's fault, never the caller's
    "quota",  # 402, insufficient_quota: our account's fault
    "model",  # 404: the provider doesn't know the configured model
    "malformed",  # a 2xx that is no answer: HTML, broken JSON, a short body, an error object
    "cut",  # a stream that ended without the provider's own finish
    "empty",  # an answer with nothing in it
    "unsupported",  # this provider can't take what is in the request: nothing was sent
    "context_too_long",
    "content_policy",
    "caller",  # any other 4xx
]
MAX_MESSAGE_CHARS = 500
MAX_RETRY_AFTER_SECONDS = 3600.0
"""Upper bound for a provider's `retry-after`: some send a Unix time as seconds, or anything else."""
_WORDS = error_words()


@dataclass(slots=True)
class ProviderError(Exception):
    """A failed attempt at a provider. `unknown`: it may have worked and charged for it. `usage`: what it reported, if it did."""

    kind: FailureKind
    message: str
    status: int | None = None
    retry_after: float | None = None
    unknown: bool = False
    usage: TokenUsage | None = None
    code: str | None = None
    param: str | None = None
    echo: bool = False
    """True if it isn't this request that counts the failure: another of the same shared call did, or nothing was tried."""

    def __str__(self) -> str:
        return self.message

    @property
    def counts(self) -> bool:
        """True if the failure counts for the breaker; a caller's mistake says nothing about the provider."""
        if self.kind == "empty" and self.usage is not None:
            return False  # the provider worked: its answer is empty
        return not self.echo and self.kind not in {"unsupported", "context_too_long", "content_policy", "caller"}


def unreachable(message: str) -> ProviderError:
    return ProviderError("unreachable", message)


def busy(connections: int) -> ProviderError:
    """Return the fault of a request that found no free connection: nothing was sent, and it says nothing about the provider."""
    return ProviderError("unreachable", f"all {connections:,} connections to it were in use", echo=True)


def reset(message: str) -> ProviderError:
    return ProviderError("reset", message, unknown=True)


def timeout(message: str) -> ProviderError:
    return ProviderError("timeout", message, unknown=True)


def malformed(message: str, *, usage: TokenUsage | None = None) -> ProviderError:
    return ProviderError("malformed", message, unknown=True, usage=usage)


def of_status(status: int, body: bytes, headers: Mapping[str, str]) -> ProviderError:
    """Classify a provider's error reply. Its own words go only to the caller who caused it: they may name our account."""
    error = _error_object(body)
    text, code, param = (
        _text(error.get("message")),
        _text(error.get("code") or error.get("type") or error.get("status")),
        error.get("param"),
    )
    searched = f"{code} {text}".lower()
    wait = retry_after(headers)
    if wait is None:
        wait = _retry_delay(error)
    if (ours := _our_fault(status, code.lower(), text.lower())) is not None:
        return ours
    if status == 429 and "request too large" in searched:
        status = 413  # rejected for its size, not for the rate
    if status == 429:
        return ProviderError("rate_limited", "it limits the rate (429)", status, retry_after=wait)
    if status >= 500 or status in {408, 409, 425}:
        return ProviderError("server_error", f"it answered {status}", status, retry_after=wait)
    if status < 400:
        return malformed(f"it answered {status} without an answer")
    if any(each in searched for each in _WORDS.too_long) or status == 413:
        return ProviderError(
            "context_too_long", text or "The prompt is too long.", status, code="context_length_exceeded", param="messages"
        )
    if any(each in searched for each in _WORDS.policy):
        return ProviderError(
            "content_policy",
            text or ("The provider refused the request under its content policy."),
            status,
            code="content_policy_violation",
        )
    return ProviderError(
        "caller", text or f"The provider refused the request ({status}).", status, code=code or None, param=_text(param) or None
    )


def _our_fault(status: int, code: str, text: str) -> ProviderError | None:
    """Return the fault if our key, account or configuration is to blame. Judged by status and code: a message may quote the prompt."""
    if status in {401, 403} or (status == 400 and (any(each in code for each in _WORDS.key_codes) or text.startswith(_WORDS.key_starts))):
        return ProviderError("key", f"it rejected Cairn's API key ({status})", status)
    if status == 402 or any(each in code for each in _WORDS.quota_codes) or (status == 400 and text.startswith(_WORDS.quota_starts)):
        return ProviderError("quota", f"Cairn's account there has no credit left ({status})", status)
    if status == 404:
        return ProviderError("model", "it doesn't know the configured model (404)", status)
    return None


def of_error_object(error: object) -> ProviderError:
    """Classify an error object sent with status 200 or within a stream, by the status that it states."""
    found = error if isinstance(error, dict) else {"message": str(error)}
    stated = next((each for each in (found.get("status"), found.get("code"), found.get("status_code")) if isinstance(each, int)), None)
    fault = of_status(stated if stated is not None and 400 <= stated < 600 else 500, json.dumps({"error": found}, default=str).encode(), {})
    if stated is None and fault.kind == "server_error":
        fault.message, fault.status = "it answered with an error", None
    return fault


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Parse `retry-after`, seconds or a date, into seconds, capped at an hour; None if missing or unreadable."""
    value = headers.get("retry-after") or headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = (aware - clock.now()).total_seconds()
    return min(max(0.0, seconds), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else None


def _retry_delay(error: Mapping[str, Any]) -> float | None:
    """Parse Gemini's retry delay from the body: `{"@type": "….RetryInfo", "retryDelay": "3.5s"}` among the details."""
    details = error.get("details")
    for each in details if isinstance(details, list) else ():
        delay = each.get("retryDelay") if isinstance(each, dict) else None
        if isinstance(delay, str) and delay.endswith("s"):
            return retry_after({"retry-after": delay.removesuffix("s")})
    return None


def _error_object(body: bytes) -> dict[str, Any]:
    """Extract the error object: OpenAI, Anthropic and Google send `error`; some servers send it bare, or in a list."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(content, list) and content:
        content = content[0]
    if not isinstance(content, dict):
        return {}
    error = content.get("error", content)
    return error if isinstance(error, dict) else {"message": str(error)}


def _text(value: object) -> str:
    return value[:MAX_MESSAGE_CHARS] if isinstance(value, str) else "" if value is None else str(value)[:MAX_MESSAGE_CHARS]
