"""`cairn serve`: the HTTP server and, in the embedded size, everything it needs."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: the setting server.host (127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one. Default: the setting server.port (8080).")
    ] = None,
    warm: Annotated[
        float | None, typer.Option(min=0.01, hidden=True, help="Stop after this many idle minutes. Set by a command that starts a server.")
    ] = None,
) -> None:
    """Run the server. Unless the settings name a database, it also runs PostgreSQL, the vector engine and a worker."""
    from app.cli.importing import collector_paused

    with collector_paused():
        from app import settings as config
        from app.cli.serving import run
        from app.cli.settings_check import warn_of_old_settings
        from app.redaction.labels import free_text
        from app.telemetry import logs, stacks

    settings = config.load()
    logs.configure(settings.log, clean=free_text)
    stacks.write_on_signal()
    warn_of_old_settings()
    for name in config.unknown_variables():
        typer.echo(f"cairn: {name} is not a setting of this version and has no effect: check its spelling.", err=True)
    if os.environ.get("FORWARDED_ALLOW_IPS") and not settings.server.trusted_proxies:
        typer.echo("cairn: FORWARDED_ALLOW_IPS has no effect: name your proxies in CAIRN_SERVER__TRUSTED_PROXIES.", err=True)
    run(
        settings,
        host=settings.server.host if host is None else host,
        port=settings.server.port if port is None else port,
        warm_minutes=warm,
    )
