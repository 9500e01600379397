"""The limit of open files: raised at the start, and divided between incoming connections and Cairn's own."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress

import structlog

from app.errors import ConfigurationError
from app.settings import Settings

log = structlog.get_logger()

OWN_FILES = 64
"""File descriptors reserved for the embedded servers' sockets, logs, model files and the event loop."""
MIN_CONNECTIONS = 16


def raise_limit() -> int:
    """Raise the soft limit to the hard one; return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems refuse even their own hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return limit()


def limit() -> int:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def max_connections(settings: Settings, files: int) -> int:
    """Return how many connections to accept, leaving descriptors for PostgreSQL, Redis and one provider call each.

    Raises ConfigurationError if fewer than MIN_CONNECTIONS would remain.
    """
    database = settings.database
    pools = (1 + len(database.replica_urls)) * (database.pool_size + database.max_overflow)
    redis = settings.redis.connections if settings.redis.url is not None else 0
    most = (files - OWN_FILES - pools - redis) // 2
    if most < MIN_CONNECTIONS:
        raise ConfigurationError(
            f"The limit of open files is {files}, of which Cairn needs {OWN_FILES + pools + redis} itself:"
            " raise it (ulimit -n 4096, LimitNOFILE= of systemd) or lower database.pool_size and database.max_overflow."
        )
    if most < settings.server.max_connections:
        log.warning("server.connections_lowered", most=most, wanted=settings.server.max_connections, open_files=files)
    return min(most, settings.server.max_connections)
