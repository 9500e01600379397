"""Everything that a client raises, as one tree:

CairnError
├── NotConfigured       no server or no key is known, or one that can't be right
├── Unreachable         no connection came about: nothing was sent
├── TimedOut            the server, or a job, took longer than it was given
├── ConnectionLost      the connection broke after the request was sent
├── UnreadableReply     the reply isn't in Cairn's format: a proxy's page, another server, a version too far away
├── JobFailed           the server couldn't read what was uploaded
└── Refused             the server said no
    ├── InvalidRequest      400, 422 and other statuses of the caller's fault: `param` names the field
    │   └── TooLarge            413
    ├── NotAuthenticated    401
    ├── BudgetExceeded      402: `resets_at`
    ├── NotPermitted        403
    ├── NotFound            404
    ├── Conflict            409, 412
    ├── RateLimited         429: `retry_after`
    └── ServerFailed        5xx
        └── Unavailable         503: `retry_after`
"""

from __future__ import annotations

from datetime import datetime


class CairnError(Exception):
    """Anything that went wrong. `message` says what, and what to do.

    `code`: the error's stable name. `param`: the field at fault. `request_id`: finds the request in the server's log. `status`: HTTP's;
    None where no reply came. `retry_after`: seconds after which trying again makes sense, where the server says so.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param
        self.request_id = request_id
        self.status = status
        self.retry_after = retry_after


class NotConfigured(CairnError):
    """No server or no key is known, or one that can't be right; also a client that was closed."""

    code = "not_configured"


class Unreachable(CairnError):
    """No connection came about, so that nothing was sent."""

    code = "unreachable"


class TimedOut(CairnError):
    """The server, or a job, took longer than it was given. What was asked may have happened."""

    code = "timed_out"


class ConnectionLost(CairnError):
    """The connection broke after the request was sent. What was asked may have happened."""

    code = "connection_lost"


class UnreadableReply(CairnError):
    """A reply that isn't in Cairn's format: a proxy's page, another server's, or that of a version too far away."""

    code = "unreadable_reply"


class JobFailed(CairnError):
    """A job that the server has given up. `code` and `message` are those of its last attempt."""

    code = "job_failed"


class Refused(CairnError):
    """The server said no."""

    code = "refused"
    may_retry = True
    """False where the server says that trying again is of no use (`x-should-retry`)."""


class InvalidRequest(Refused):
    """Something of the request can't be right; `param` names the field."""


class TooLarge(InvalidRequest):
    """The request is larger than the server takes."""


class NotAuthenticated(Refused):
    """The key is missing, unknown, revoked or expired."""


class BudgetExceeded(Refused):
    """The budget doesn't pay for that. `resets_at`: when the next month begins, as far as the server says."""

    resets_at: datetime | None = None


class NotPermitted(Refused):
    """This key may not do that."""


class NotFound(Refused):
    """There is none, or none that this key may see."""


class Conflict(Refused):
    """Somebody else was faster, or it is there already."""


class RateLimited(Refused):
    """The key asks too often; `retry_after` says when it may again."""


class ServerFailed(Refused):
    """The server, or a provider behind it, failed."""


class Unavailable(ServerFailed):
    """The server isn't ready, or sheds load; `retry_after` says when to try again."""


BY_STATUS: dict[int, type[Refused]] = {
    401: NotAuthenticated,
    402: BudgetExceeded,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: TooLarge,
    429: RateLimited,
    503: Unavailable,
}


def kind_of(status: int) -> type[Refused]:
    """Return the class of an error reply with this status."""
    return BY_STATUS.get(status) or (ServerFailed if status >= 500 else InvalidRequest)
