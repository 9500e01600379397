"""Pre-ping for what has rested: a connection that was in use a moment ago is alive, or its driver has heard that it isn't.

SQLAlchemy's own asks before every use, in a transaction of its own: three round trips ahead of each statement.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine

RESTED_SECONDS = 1.0
"""A server that stops says so on every connection at once. What says nothing (a cable, a firewall) would let a ping wait as well."""
_SINCE = "cairn.resting_since"


def install(engine: AsyncEngine) -> None:
    """A connection that is gone is replaced before its use, and so are all others of its age."""
    dialect = engine.dialect

    def rests(_connection: Any, record: Any) -> None:
        record.info[_SINCE] = time.monotonic()

    def proved(connection: Any, record: Any, _proxy: Any) -> None:
        since = record.info.get(_SINCE)
        if since is None:
            return  # new
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if time.monotonic() - since < RESTED_SECONDS:
            return
        try:
            alive = dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error
        if not alive:
            raise InvalidatePoolError

    event.listen(engine.sync_engine, "checkin", rests)
    event.listen(engine.sync_engine, "checkout", proved)
