"""How each provider says no: status and error body as their own servers write them. Knows nothing of when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from tests.fakes.provider.answers import Json
from tests.fakes.provider.faults import Fault, RefusalName

Kind = Literal["openai", "groq", "anthropic", "gemini"]
Unfit = Literal["no_json", "no_messages", "no_max_tokens", "no_prefill", "trailing_space", "unknown_url"]
"""What the fake itself refuses, as the real servers do."""
Reason = RefusalName | Unfit

_Said = tuple[int, str, str | None, str | None, str]
"""Status, type, code, param, message."""
_BAD = "invalid_request_error"
_OVERLOADED = "The server is overloaded or not ready yet."

_OPENAI: Final[dict[Reason, _Said]] = {
    "bad_request": (
        400,
        _BAD,
        "decimal_above_max_value",
        "temperature",
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
    ),
    "content_policy": (
        400,
        _BAD,
        "invalid_prompt",
        None,
        (
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt: "
            "https://platform.openai.com/docs/guides/reasoning#advice-on-prompting"
        ),
    ),
    "context_too_long": (
        400,
        _BAD,
        "context_length_exceeded",
        "messages",
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. "
            "Please reduce the length of the messages."
        ),
    ),
    "401": (
        401,
        _BAD,
        "invalid_api_key",
        None,
        "Incorrect API key provided: fake. You can find your API key at https://platform.openai.com/account/api-keys.",
    ),
    "402": (402, "unknown_error", _BAD, None, "Insufficient Balance"),  # DeepSeek's: OpenAI itself sends no 402
    "403": (403, "request_forbidden", "unsupported_country_region_territory", None, "Country, region, or territory not supported"),
    "404": (404, _BAD, "model_not_found", None, "The model `{model}` does not exist or you do not have access to it."),
    "429": (
        429,
        "requests",
        "rate_limit_exceeded",
        None,
        (
            "Rate limit reached for {model} in organization org-fake on requests per min (RPM): Limit 3, Used 3, Requested 1. "
            "Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more."
        ),
    ),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        None,
        (
            "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: "
            "https://platform.openai.com/docs/guides/error-codes/api-errors."
        ),
    ),
    "500": (500, "server_error", None, None, "The server had an error while processing your request. Sorry about that!"),
    "502": (502, "cf_bad_gateway", None, None, "Bad gateway."),
    "503": (503, "server_error", None, None, _OVERLOADED),
    "504": (504, "cf_gateway_timeout", None, None, "Gateway timeout."),
    "529": (529, "server_error", None, None, _OVERLOADED),
    "no_json": (400, _BAD, None, None, "We could not parse the JSON body of your request."),
    "no_messages": (400, _BAD, "missing_required_parameter", "messages", "Missing required parameter: 'messages'."),
    # Mistral's: OpenAI itself ignores a prefill.
    "no_prefill": (
        400,
        _BAD,
        "3230",
        None,
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
    ),
    "unknown_url": (404, _BAD, "unknown_url", None, "Unknown request URL. Please check the URL for typos."),
}

_GROQ: Final[dict[Reason, _Said]] = _OPENAI | {
    "context_too_long": (
        400,
        _BAD,
        "context_length_exceeded",
        "messages",
        "Please reduce the length of the messages or completion.",
    ),
    "401": (401, _BAD, "invalid_api_key", None, "Invalid API Key"),
    "429": (
        429,
        "tokens",
        "rate_limit_exceeded",
        None,
        (
            "Rate limit reached for model `{model}` in organization `org_fake` service tier `on_demand` on tokens per minute (TPM): "
            "Limit 12000, Used 11500, Requested 3000. Please try again in 12.5s."
        ),
    ),
    "500": (500, "internal_server_error", None, None, "Internal Server Error"),
    "503": (503, "internal_server_error", None, None, "Service Unavailable"),
}

_ANTHROPIC: Final[dict[Reason, tuple[int, str, str]]] = {
    "bad_request": (400, _BAD, "temperature: Input should be less than or equal to 1"),
    "content_policy": (400, _BAD, "Output blocked by content filtering policy"),
    "context_too_long": (400, _BAD, "prompt is too long: 210000 tokens > 200000 maximum"),
    "401": (401, "authentication_error", "invalid x-api-key"),
    "402": (402, "billing_error", "There is an issue with your organization's billing or payment information."),
    "403": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "404": (404, "not_found_error", "model: {model}"),
    "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
    # Anthropic sends 400 here, no 429.
    "insufficient_quota": (
        400,
        _BAD,
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    ),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "Service unavailable"),
    "504": (504, "timeout_error", "Request timed out"),
    "529": (529, "overloaded_error", "Overloaded"),
    "no_json": (400, _BAD, "The request body is not valid JSON"),
    "no_messages": (400, _BAD, "messages: Field required"),
    "no_max_tokens": (400, _BAD, "max_tokens: Field required"),
    "no_prefill": (400, _BAD, "This model does not support assistant message prefill. The conversation must end with a user message."),
    "trailing_space": (400, _BAD, "messages: final assistant content cannot end with trailing whitespace"),
    "unknown_url": (404, "not_found_error", "Not found"),
}

_ARGUMENT = "INVALID_ARGUMENT"
_GEMINI: Final[dict[Reason, tuple[int, str, str]]] = {
    "bad_request": (400, _ARGUMENT, "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0]."),
    "context_too_long": (400, _ARGUMENT, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."),
    "401": (
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token or other valid credential.",
    ),
    "402": (402, "FAILED_PRECONDITION", "Billing is not enabled for this project."),  # made up: Gemini sends no 402
    "403": (403, "PERMISSION_DENIED", "The caller does not have permission"),
    "404": (404, "NOT_FOUND", "models/{model} is not found for API version v1beta, or is not supported for generateContent."),
    "429": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    "insufficient_quota": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    "500": (500, "INTERNAL", "An internal error has occurred. Please retry or report."),
    "503": (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "504": (504, "DEADLINE_EXCEEDED", "The request timed out. Please try again."),
    "529": (529, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "no_json": (400, _ARGUMENT, "Invalid JSON payload received."),
    "no_messages": (400, _ARGUMENT, "* GenerateContentRequest.contents: contents is not specified"),
    "no_prefill": (400, _ARGUMENT, "Please ensure that single turn requests end with a user role or the last role is user."),
    "unknown_url": (404, "NOT_FOUND", "Requested entity was not found."),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    body: bytes
    content_type: str = "application/json"


class Refused(Exception):
    """The request is one that the real server would refuse."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def refusal(kind: Kind, reason: Reason, *, model: str, fault: Fault | None = None) -> Refusal:
    """The provider's own error. Where it never sends such a status as JSON, the page of the proxy before it."""
    if kind in {"openai", "groq"}:
        table = _OPENAI if kind == "openai" else _GROQ
        if kind == "groq" and reason in {"502", "504"}:
            return _page(int(reason))
        status, type_, code, param, message = table[reason]
        return Refusal(status, msgspec.json.encode({"error": _openai(status, type_, code, param, message.format(model=model))}))
    names = _ANTHROPIC if kind == "anthropic" else _GEMINI
    if kind == "gemini" and reason == "content_policy":
        return Refusal(200, msgspec.json.encode(_blocked(model)))
    if reason not in names:
        return _page(int(reason))
    status, type_, message = names[reason]
    said = message.format(model=model)
    body = _anthropic(type_, said) if kind == "anthropic" else _gemini(status, type_, said, fault)
    return Refusal(status, msgspec.json.encode(body))


def page(title: str) -> bytes:
    """What a proxy says in HTML."""
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n".encode()
    )


def _page(status: int) -> Refusal:
    return Refusal(status, page({502: "502 Bad Gateway", 504: "504 Gateway Time-out"}[status]), "text/html")


def _openai(status: int, type_: str, code: str | None, param: str | None, message: str) -> Json:
    """Cloudflare, in front of OpenAI, repeats the status as `code`."""
    return {"message": message, "type": type_, "param": param, "code": status if type_.startswith("cf_") else code}


def _anthropic(type_: str, message: str) -> Json:
    return {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_fake"}


def _gemini(status: int, type_: str, message: str, fault: Fault | None) -> Json:
    error: Json = {"code": status, "message": message, "status": type_}
    if fault is not None and isinstance(fault.retry_after, int | float):
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{fault.retry_after:g}s"}]
    return {"error": error}


def _blocked(model: str) -> Json:
    """Gemini refuses no prompt with a status: it answers 200 without candidates."""
    usage = {"promptTokenCount": 1, "totalTokenCount": 1}
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage, "modelVersion": model}
