"""The tree of commands; maps errors to one line of text and an exit code."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from app.cli import (
    accounts,
    ask,
    budget,
    connect,
    context,
    db,
    demo,
    doctor,
    index,
    ingest,
    mcp,
    pause,
    projects,
    query,
    remember,
    serve,
    sessions,
    worker,
)
from app.cli.exits import FAILED, INTERRUPTED, exit_code
from app.cli.ide import hook_command
from app.cli.installation import is_light
from app.cli.watch.command import watch
from app.errors import CairnError


class Commands(TyperGroup):
    """The command group: prints any of our errors as one line on standard error, never a traceback."""

    def invoke(self, ctx: Any) -> Any:  # the type is typer's own
        try:
            return super().invoke(ctx)
        except CairnError as error:
            typer.echo(f"cairn: {error.message}", err=True)
            raise typer.Exit(exit_code(error)) from None
        except ModuleNotFoundError as error:
            if not is_light():
                raise
            words = f"this installation is a client alone, and this command runs a server ({error.name} is not installed)"
            typer.echo(f"cairn: {words}. Install the server too, in a copy of Cairn's repository: pip install '.[server]'", err=True)
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


cli = typer.Typer(
    cls=Commands,
    help="Cairn remembers what a team of engineers learnt: coding sessions go in, answers with citations come out.",
    epilog="Start with `cairn demo`, or with `cairn ingest` and `cairn query`. Commands use the server at CAIRN_URL with"
    " the key in CAIRN_KEY, "
    "else the one that runs on this data folder, else they start one. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server reached, 4 key refused, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command("serve")(serve.serve)
cli.command("worker")(worker.worker)
cli.command("demo")(demo.demo)
cli.command("ingest")(ingest.ingest)
cli.command("query")(query.query)
cli.command("ask")(ask.ask)
cli.command("context")(context.context)
cli.command("remember")(remember.remember)
cli.command("correct")(remember.correct)
cli.command("forget")(remember.forget)
cli.add_typer(accounts.teams, name="teams")
cli.add_typer(accounts.developers, name="developers")
cli.add_typer(accounts.keys, name="keys")
cli.add_typer(projects.projects, name="projects")
cli.add_typer(sessions.sessions, name="sessions")
cli.add_typer(budget.budget, name="budget")
cli.add_typer(index.index, name="index")
cli.add_typer(db.db, name="db")
cli.command("connect")(connect.connect)
cli.command("mcp")(mcp.mcp)
cli.command("hook")(hook_command.hook)
cli.command("watch")(watch)
cli.command("pause")(pause.pause)
cli.command("doctor")(doctor.doctor)


@cli.command()
def version() -> None:
    """Print Cairn's version."""
    from app import __version__

    typer.echo(__version__)
