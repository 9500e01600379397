"""`cairn serve`: the HTTP server and, in the embedded size, everything it needs."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Default: server.host of the settings, 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one. Default: server.port, 8080.")] = None,
) -> None:
    """Run the server. Embedded, it starts PostgreSQL, the vector engine and a worker beside itself."""
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
        typer.echo(f"cairn: {name} is no setting of this version: it does nothing.", err=True)
    if os.environ.get("FORWARDED_ALLOW_IPS") and not settings.server.trusted_proxies:
        typer.echo("cairn: FORWARDED_ALLOW_IPS does nothing any more: name your proxies in CAIRN_SERVER__TRUSTED_PROXIES.", err=True)
    run(settings, host=settings.server.host if host is None else host, port=settings.server.port if port is None else port)
