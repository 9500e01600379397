"""Runs uvicorn: binds the socket first, so that a taken port is reported at once, and handles signals for a clean stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import cast

import typer
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp

from app.accounts.secrets import ADMIN_FILE
from app.cli import descriptors
from app.cli.announcement import Announcement, start_state
from app.cli.descriptors import max_connections
from app.cli.idle import RequestActivity, stop_when_idle
from app.cli.local_server import announce, withdraw
from app.cli.takeover import take_over
from app.errors import ConfigurationError
from app.main import create_app
from app.services import Services
from app.settings import Settings, read_files
from app.storage.allocator import return_freed_memory
from app.storage.child import owner_ended
from app.storage.folder import DataFolder
from app.web.connections import ConnectionLimits, Connections
from app.web.forwarded import TrustedProxies
from app.web.protocol import Protocol

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 130
"""Longer than a proxy or client keeps an idle connection (Caddy: two minutes), so that the client closes first and no request is reset."""


class Server(uvicorn.Server):
    """uvicorn's server, with signals left to us and a callback once it listens."""

    def __init__(self, config: uvicorn.Config, *, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


def run(settings: Settings, *, host: str, port: int, warm_minutes: float | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, or until it was idle for `warm_minutes`. Raises ConfigurationError if the port is taken."""
    descriptors.raise_limit()
    return_freed_memory()
    listener = _bind(host, port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, listener:
        runner.run(_serve(settings, listener, warm_minutes))


async def _serve(settings: Settings, listener: socket.socket, warm_minutes: float | None) -> None:
    """Open the services, then serve; stop serving, then close the services."""
    app, folder = create_app(settings), DataFolder.open(settings.data_dir)
    activity = RequestActivity(app)
    owned = bool(os.environ.pop("CAIRN_OWNED", None))
    by_hand = warm_minutes is None and not owned and settings.embedded
    starting = await take_over(folder, partial(typer.echo, err=True)) if by_hand else None

    def listening() -> None:
        _announce(app.state.services, _url(listener), warm_minutes)
        if starting is not None:
            starting.close()  # commands that waited find this server now

    server = Server(configuration(activity, settings), listening=listening)
    opening = asyncio.current_task()
    assert opening is not None

    stop = partial(_stop, server, app, opening)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    watches = [asyncio.create_task(_stop_with_owner(stop), name="owner_watch")] if owned else []
    try:
        # Not uvicorn's lifespan: it would turn an error that says what to do into a traceback.
        async with app.router.lifespan_context(app):
            freeze_objects()
            if warm_minutes is not None:
                idle = stop_when_idle(activity, app.state.services.queue, folder, minutes=warm_minutes, stop=stop)
                watches.append(asyncio.create_task(idle, name="idle_watch"))
            await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        if not server.should_exit:
            raise
    finally:
        withdraw(folder, os.getpid())  # after the services have closed: until then a command waits, and starts no other
        for watch in watches:
            watch.cancel()


def _stop(server: Server, app: FastAPI, opening: asyncio.Task[None]) -> None:
    if not server.started and not server.should_exit:
        opening.cancel()  # the services are still opening: those already open are closed again
    server.should_exit = True
    if server.started:
        app.state.services.messages.stop()  # ends long polls for messages, which would delay the stop


def freeze_objects() -> None:
    """Freeze the services' objects: collecting them took a third of every request's time (docs/decisions/0007)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def configuration(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    server = settings.server
    bounds = ConnectionLimits(
        header_seconds=server.header_timeout_seconds,
        body_seconds=server.body_timeout_seconds,
        body_bytes_per_second=server.min_body_bytes_per_second,
        write_seconds=server.write_timeout_seconds,
        idle_seconds=KEEP_ALIVE_SECONDS,
        total=max_connections(settings, descriptors.limit()),
        per_address=server.max_connections_per_address,
    )
    protocol = partial(Protocol, connections=Connections(bounds), proxies=TrustedProxies(server.trusted_proxies))
    return uvicorn.Config(
        app,
        loop="none",
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # ours: only configured proxies are believed
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.server.shutdown_seconds),
    )


def _bind(host: str, port: int) -> socket.socket:
    """Bind without listening: connections made before the services are open are refused, and may be retried."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} on {host} is taken: stop what uses it, or choose another with --port (0: any free one)."
            ) from error
        raise ConfigurationError(f"Can't listen on {host}:{port} ({error.strerror}). Check --host and --port.") from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - to call it
    return f"http://{reachable}:{port}"


def _announce(services: Services, url: str, warm_minutes: float | None) -> None:
    """Write the announcement for commands; print the address, and a newly made admin key once, for the user."""
    settings = services.settings
    keys = [each.api_key_env for each in settings.providers.values() if each.api_key_env]
    state = start_state(more=[*keys, *(f"{name}_FILE" for name in keys)], files=read_files())
    try:
        announce(services.folder, Announcement(url, os.getpid(), warm_minutes=warm_minutes, state=state))
    except OSError as error:
        typer.echo(
            f"cairn: the address could not be written to the data folder ({error.strerror}): set CAIRN_URL={url} for commands"
            f" to find this server.",
            err=True,
        )
    typer.echo(f"Cairn is ready at {url}  (all routes: {url}/docs)")
    if services.secrets.fresh:
        typer.echo(f"Admin key, shown this once (kept in {services.folder.path / ADMIN_FILE}): {services.secrets.admin_key}")


async def _stop_with_owner(stop: Callable[[], None]) -> None:
    with suppress(OSError):
        await owner_ended()
    stop()
