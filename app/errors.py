"""The tree of errors. It knows no HTTP: `web/errors.py` maps it to statuses.

CairnError
├── InvalidInput          a field or option is wrong; `param` names it
│   └── UnknownFormat     the bytes are no transcript in a known format
├── Unreadable            the request itself could not be read (not JSON, broken encoding)
├── TooLarge              over a configured limit
├── NotAuthenticated      the key is missing or invalid
├── NotPermitted          the key is valid, but lacks this permission
├── NotFound              no such object, or another team's
├── Conflict              it exists already, or is in another state
│   └── ChangedMeanwhile  it is not at the revision that the change is based on
├── BudgetExceeded        a hold was refused: says what is left, what was asked, when the period resets
├── ContentRejected       a provider rejects the request's content
├── RateLimited           every provider is rate-limiting; retry after `retry_after` seconds
│   └── RateLimitExceeded this key exceeded its own limit for the last minute
├── AllProvidersFailed    no provider of the chain answered
├── DeadlineExceeded      the request's deadline passed
├── Unavailable           a dependency is unavailable for the moment; retry after `retry_after` seconds
│   ├── DatabaseUnavailable
│   └── VectorStoreUnavailable
└── ConfigurationError    Cairn can't start with this configuration
    └── SchemaOutdated    the database needs `cairn db upgrade`
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal


class CairnError(Exception):
    """Base of all. `message` tells its reader what is wrong and what to do next."""

    code: str = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code


class InvalidInput(CairnError):
    code = "invalid_input"


class UnknownFormat(InvalidInput):
    code = "unknown_format"


class Unreadable(CairnError):
    code = "unreadable"


class TooLarge(CairnError):
    code = "too_large"


class NotAuthenticated(CairnError):
    code = "not_authenticated"


class NotPermitted(CairnError):
    code = "not_permitted"


class NotFound(CairnError):
    code = "not_found"


class Conflict(CairnError):
    code = "conflict"


class ChangedMeanwhile(Conflict):
    """A change is based on an older revision: somebody else was faster."""

    code = "changed_meanwhile"


class BudgetExceeded(CairnError):
    """A hold was refused. `left` and `asked` are in `unit`; the limit's period ends at `resets_at`."""

    code = "budget_exceeded"

    def __init__(self, message: str, *, unit: Literal["nanousd", "tokens"], left: int, asked: int, resets_at: datetime) -> None:
        super().__init__(message)
        self.unit = unit
        self.left = left
        self.asked = asked
        self.resets_at = resets_at


class ContentRejected(CairnError):
    """A provider rejects the request's content: sending it again unchanged would fail again."""

    code = "provider_refused"


class RateLimited(CairnError):
    """Every provider is rate-limiting; the first accepts again in `retry_after` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitExceeded(RateLimited):
    """This key exceeded its own limit for the last minute; the next request fits in `retry_after` seconds."""

    code = "rate_limit_exceeded"


class AllProvidersFailed(CairnError):
    """No provider of the chain answered; the message names each attempt."""

    code = "all_providers_failed"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(CairnError):
    """The request's deadline passed."""

    code = "deadline_exceeded"


class Unavailable(CairnError):
    code = "unavailable"

    def __init__(self, message: str, *, retry_after: float = 1.0, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"


class VectorStoreUnavailable(Unavailable):
    code = "vector_store_unavailable"


class ConfigurationError(CairnError):
    code = "configuration_error"


class SchemaOutdated(ConfigurationError):
    code = "schema_outdated"
