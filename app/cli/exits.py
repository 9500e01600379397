"""Exit codes, and the two errors that only a client of the server meets."""

from __future__ import annotations

from app.errors import CairnError, NotAuthenticated, NotPermitted

FAILED, USAGE, UNREACHABLE, REFUSED_KEY, INTERRUPTED, PIPE_CLOSED = 1, 2, 3, 4, 130, 141

FAULTS = 500


class Unreachable(CairnError):
    """No server answers, and none could be started."""

    code = "unreachable"


class ServerRefused(CairnError):
    """The server answered with an error; `message` is the server's.

    Where the server itself failed, it has the request's id, under which the server's log has more.
    """

    def __init__(self, message: str, *, status: int, code: str, param: str | None = None, request_id: str | None = None) -> None:
        known = f"{message} (request id {request_id})" if request_id is not None and status >= FAULTS else message
        super().__init__(known, code=code, param=param)
        self.status = status


def exit_code(error: CairnError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    if isinstance(error, NotAuthenticated | NotPermitted) or (isinstance(error, ServerRefused) and error.status in {401, 403}):
        return REFUSED_KEY
    return FAILED
