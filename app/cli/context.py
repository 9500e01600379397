"""`cairn context`: prints what a session should know at its start, as an agent is given it."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.output import AsJson
from app.cli.remember import project_here
from app.cli.requests import send_request

DEFAULT_TOKENS, MIN_TOKENS, MAX_TOKENS = 2_000, 100, 20_000
"""As in `assist.session_context`, whose import would load half of the server."""


def context(
    *,
    project: Annotated[str | None, typer.Option("--project", "-p", help="The session's project. Default: the current repository.")] = None,
    tokens: Annotated[int, typer.Option(min=MIN_TOKENS, max=MAX_TOKENS, help="Maximum length of the text, in tokens.")] = DEFAULT_TOKENS,
    as_json: AsJson = False,
) -> None:
    """Print what a session should know at its start. That is: rules written by people, what was learnt lately, and open problems."""
    from app.cli.output import err, plain, print_json

    where = project or project_here()
    told = send_request(lambda client: client.get("/v1/context/session", project=where, max_tokens=tokens))
    if as_json:
        print_json(told)
    elif told["text"]:
        typer.echo(told["text"])
    else:
        said = (
            f"Cairn has nothing useful on the project {where!r} yet. Record a rule: cairn remember TEXT --project {where}."
            f" Send its sessions: cairn ingest. Other projects: cairn projects list"
        )
        err.print(plain(said), soft_wrap=True)
