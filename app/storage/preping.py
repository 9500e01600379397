"""Pre-ping for idle connections only: one used a moment ago is alive, or its driver already knows that it is not.

SQLAlchemy's own pre-ping runs before every use in its own transaction: three more round trips per statement.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine

RESTED_SECONDS = 1.0
"""Idle time after which a connection is pinged. A stopping server closes connections at once, so most need no ping."""
_SINCE = "cairn.resting_since"


def install(engine: AsyncEngine) -> None:
    """Check idle connections at checkout; a dead one is replaced, with all others of its age."""
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
