"""A PostgreSQL URL with libpq's parameters, and how it is connected to: pools, single connections and migrations take the same ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import ConfigurationError

DRIVERS_OWN = frozenset({
    "dbname", "gsslib", "host", "krbsrvname", "passfile", "password", "port", "service", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "sslcert", "sslcrl", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert",
    "target_session_attrs", "user",
})  # fmt: skip
"""libpq's parameters that asyncpg reads from a URL itself."""
TO_SERVER = frozenset({"options", "search_path"})
"""Parameters that the server is given as the connection opens."""
OURS = frozenset({"application_name", "connect_timeout", "ssl"})
"""`ssl`: asyncpg's word for `sslmode`."""
TAKEN = DRIVERS_OWN | TO_SERVER | OURS
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SSL_WORDS = {"true": "require", "false": "disable"}
MIN_CONNECT_SECONDS = 2.0
"""libpq's: a `connect_timeout` of 1 counts as 2."""


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A database's address. `dsn`: as asyncpg takes it; `connect_seconds`, `application_name`: where the URL names them."""

    dsn: str = field(repr=False)
    connect_seconds: float | None = None
    application_name: str | None = None

    async def connect(
        self, *, name: str | None = None, seconds: float | None = None, settings: Mapping[str, str] | None = None, **options: Any
    ) -> asyncpg.Connection[Any]:
        """Open a connection. What the URL says of `name` (in pg_stat_activity) and `seconds` (the time limit) comes first."""
        server = dict(settings or {})
        if (shown := self.application_name or name) is not None:
            server["application_name"] = shown
        limit = self.connect_seconds or seconds
        more = options if limit is None else {"timeout": limit, **options}
        try:
            return await asyncpg.connect(self.dsn, server_settings=server, **more)
        except asyncpg.ClientConfigurationError as error:
            raise ConfigurationError(f"CAIRN_DATABASE__URL can't be used: {error}.") from None

    def creator(self, **options: Any) -> Callable[[], Awaitable[asyncpg.Connection[Any]]]:
        """Return what opens a connection for SQLAlchemy's pool."""

        async def create() -> asyncpg.Connection[Any]:
            return await self.connect(**options)

        return create


def postgres_url(url: str) -> PostgresUrl:
    """Parse any spelling of a PostgreSQL URL. Raises ConfigurationError for another database, or a parameter that can't be taken."""
    parsed = sqlalchemy_url(url)
    given: dict[str, Any] = dict(parsed.query)
    if unknown := sorted(given.keys() - TAKEN):
        named, taken = ", ".join(unknown), ", ".join(sorted(TAKEN))
        raise ConfigurationError(f"The database URL has the parameter {named}, which Cairn can't take: remove it. It takes {taken}.")
    if "ssl" in given:
        mode = str(given.pop("ssl"))
        given.setdefault("sslmode", SSL_WORDS.get(mode.lower(), mode))
    if given.get("sslmode", "prefer") not in SSL_MODES:
        raise ConfigurationError(f"The database URL has sslmode={given['sslmode']}: it is one of {', '.join(SSL_MODES)}.")
    seconds, name = _connect_seconds(given.pop("connect_timeout", None)), given.pop("application_name", None)
    plain = parsed.set(drivername="postgresql", query=given)
    return PostgresUrl(plain.render_as_string(hide_password=False), seconds, None if name is None else str(name))


def sqlalchemy_url(url: str) -> URL:
    """Return a PostgreSQL URL for SQLAlchemy's asyncpg dialect. Raises ConfigurationError for another database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("The database URL can't be read. It looks like postgresql://user@host:5432/cairn.") from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"Cairn works on PostgreSQL, not on {parsed.get_backend_name()}. Set CAIRN_DATABASE__URL to a PostgreSQL URL."
        )
    return parsed.set(drivername="postgresql+asyncpg")


def _connect_seconds(given: object) -> float | None:
    """Return libpq's `connect_timeout` in seconds; None for the settings' own: absent, or 0 ("for ever", which nothing here waits)."""
    if given is None:
        return None
    try:
        seconds = int(str(given))
    except ValueError:
        raise ConfigurationError(f"The database URL has connect_timeout={given}: give whole seconds.") from None
    return max(MIN_CONNECT_SECONDS, seconds) if seconds > 0 else None
