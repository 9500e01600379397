"""The tree of commands; maps errors to one line of text and an exit code.

Only the module of the command that is called is imported: all of them take longer than a query.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from app.cli.completion import called_name, completes, offer_names
from app.cli.exits import FAILED, INTERRUPTED, PIPE_CLOSED, exit_code
from app.cli.installation import SERVER_INSTALLATION, is_light
from app.cli.lean_params import make_lean
from app.cli.readable_help import make_readable
from app.cli.wording import called, in_command_words, usage_message
from app.errors import CairnError

PROGRAM = "cairn"
COMMANDS: Mapping[str, str] = {
    "serve": "app.cli.serve:serve",
    "stop": "app.cli.stop:stop",
    "worker": "app.cli.worker:worker",
    "demo": "app.cli.demo:demo",
    "ingest": "app.cli.ingest:ingest",
    "query": "app.cli.query:query",
    "ask": "app.cli.ask:ask",
    "classify": "app.cli.classify:classify",
    "context": "app.cli.context:context",
    "remember": "app.cli.remember:remember",
    "correct": "app.cli.remember:correct",
    "forget": "app.cli.remember:forget",
    "restore": "app.cli.remember:restore",
    "decide": "app.cli.remember:decide",
    "patterns": "app.cli.patterns:patterns",
    "contradictions": "app.cli.contradictions:contradictions",
    "review": "app.cli.review:review",
    "keep": "app.cli.review:keep",
    "retire": "app.cli.review:retire",
    "merge": "app.cli.review:merge",
    "export": "app.cli.export:export",
    "freshness": "app.cli.freshness:freshness",
    "connect": "app.cli.connect:connect",
    "mcp": "app.cli.mcp:mcp",
    "hook": "app.cli.ide.hook_command:hook",
    "watch": "app.cli.watch.command:watch",
    "pause": "app.cli.pause:pause",
    "login": "app.cli.login:login",
    "logout": "app.cli.login:logout",
    "whoami": "app.cli.login:whoami",
    "doctor": "app.cli.doctor:doctor",
    "version": "app.cli.version:version",
}
GROUPS: Mapping[str, str] = {
    "teams": "app.cli.accounts:teams",
    "developers": "app.cli.developers:developers",
    "keys": "app.cli.keys:keys",
    "projects": "app.cli.projects:projects",
    "policies": "app.cli.policies:policies",
    "sessions": "app.cli.sessions:sessions",
    "knowledge": "app.cli.knowledge.commands:knowledge",
    "budget": "app.cli.budgets:budget",
    "jobs": "app.cli.jobs:jobs",
    "index": "app.cli.index:index",
    "db": "app.cli.db:db",
}
"""Each command, or group of commands, by its name: the module that has it, and its name there."""


class Commands(TyperGroup):
    """The command group: prints any of our errors as one line on standard error, never a traceback."""

    def get_params(self, ctx: Any) -> Any:  # the types are typer's own
        made = super().get_params(ctx)
        make_lean(made)
        return made

    def invoke(self, ctx: Any) -> Any:
        path = called(self, [*ctx._protected_args, *ctx.args])  # noqa: SLF001 - Click has no other name for the words that are left
        for each in path[1:]:
            made = each.get_params(ctx)
            make_lean(made)
            make_readable(made)
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = usage_message(error.message)
            raise
        except CairnError as error:
            typer.echo(f"cairn: {in_command_words(error, path[-1])}", err=True)
            raise typer.Exit(exit_code(error)) from None
        except ModuleNotFoundError as error:
            if not is_light():
                raise
            words = f"this installation has only the client, and this command needs the server ({error.name} is not installed)"
            typer.echo(f"cairn: {words}. Install the server too: {SERVER_INSTALLATION}.", err=True)
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            end_quietly()


def end_quietly() -> None:
    """End the process: who read its output has what it wanted, as `head` has."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes at the end
    raise typer.Exit(PIPE_CLOSED)


def command_line(only: str | None = None) -> typer.Typer:
    """Build the tree of commands; with `only`, that one alone if it exists."""
    alone = only in {*COMMANDS, *GROUPS}
    made = typer.Typer(
        cls=Commands,
        help="Cairn remembers what a team of engineers learnt: coding sessions go in, answers with citations come out.",
        epilog=(
            "Start with `cairn demo`, or with `cairn ingest` and `cairn query`. Commands use the server at CAIRN_URL with the key in "
            "CAIRN_KEY, else the server that `cairn login` stored, else the one on this machine. If none runs there, a command "
            "starts one in the background, which stops after ten idle minutes or with `cairn stop`. Exit codes: 0 done, 1 failed, 2 "
            "wrong usage, 3 no server reached, 4 key refused, 130 interrupted, 141 output pipe closed."
        ),
        no_args_is_help=True,
        add_completion=not alone or completes(),
        pretty_exceptions_enable=False,
        rich_markup_mode="rich" if sys.stdout.isatty() and sys.stderr.isatty() else None,
    )
    made.callback()(_root)
    for name, place in COMMANDS.items():
        if not alone or name == only:
            made.command(name)(_found(place))
    for name, place in GROUPS.items():
        if not alone or name == only:
            made.add_typer(_found(place), name=name)
    return made


def run(arguments: Sequence[str]) -> None:
    """Run the command that the arguments call, or answer a shell that completes one."""
    if completes():
        command = get_command(command_line(called_name()))
        offer_names(command)
        command(prog_name=PROGRAM)
    command_line(arguments[0] if arguments else None)(prog_name=PROGRAM)


def _print_version(wanted: bool) -> None:
    """Print the version and end, where it is wanted."""
    if not wanted:
        return
    from app import __version__

    typer.echo(__version__)
    raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print Cairn's version.", is_eager=True, callback=_print_version)] = False,
) -> None:
    """Take the options before a command. Its help is that of the whole."""


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
