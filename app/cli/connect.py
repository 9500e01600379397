"""`cairn connect`: writes Cairn into an IDE's own configuration, shows the change, and takes it out again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import AsJson
from app.errors import ConfigurationError

if TYPE_CHECKING:
    from app.cli.ide.config_file import ConfigChange
    from app.cli.ide.plan import ConnectOptions, IdePlan


class ConnectedIde(StrEnum):
    """IDEs that `cairn connect` can write the configuration of."""

    claude_code = "claude-code"
    codex = "codex"
    cursor = "cursor"
    vscode = "vscode"


def connect(
    ide: Annotated[ConnectedIde, typer.Argument(metavar="IDE", help="claude-code, codex, cursor or vscode.", show_default=False)],
    *,
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Write this project name into the repository's .cairn.toml.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what `cairn connect` wrote, and nothing else.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change and write nothing.")] = False,
    models: Annotated[bool, typer.Option("--models", help="Also send the IDE's model calls through Cairn.")] = False,
    http: Annotated[
        bool,
        typer.Option(
            "--http",
            help=(
                "Let Claude Code call a server on this machine directly. Faster, but some privacy rules then apply only at a "
                "session's start."
            ),
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Connect an IDE or coding agent to Cairn. Its sessions are sent as they happen, and relevant knowledge is added to its prompts."""
    from app.cli.ide.config_file import write_change
    from app.cli.output import print_json

    plan = _plan(ide, project, _options(remove=remove, models=models, http=http))
    changes = [each for each in plan.changes if each.changes]
    closed = [each.path for each in changes if each.closes]
    if not dry_run:
        for each in changes:
            write_change(each, remove=remove)
    if as_json:
        files = [{"path": str(each.path), "diff": each.diff(), "closed": each.path in closed, "written": not dry_run} for each in changes]
        print_json({"ide": ide.value, "changes": files, "todo": list(plan.todo)})
    else:
        _show(ide, changes, plan.todo, closed, dry_run=dry_run, remove=remove)


def _options(*, remove: bool, models: bool, http: bool) -> ConnectOptions:
    from app.cli.ide.plan import ConnectOptions, own_program
    from app.cli.machine import read_client_settings
    from app.cli.server_address import find_server

    settings = read_client_settings()
    if http and (settings.private_folders or settings.private_projects):
        raise ConfigurationError(
            "You have private folders or projects, and only a command can check them before a session is sent: leave --http out."
        )
    return ConnectOptions(
        own_program(), Path.home(), Path.cwd(), find_server(settings, lasting=True), remove=remove, models=models, http=http
    )


def _plan(ide: ConnectedIde, project: str | None, options: ConnectOptions) -> IdePlan:
    from app.cli.ide.claude_code import plan_claude_code
    from app.cli.ide.client_changes import folder_change, server_change
    from app.cli.ide.codex import plan_codex
    from app.cli.ide.cursor import plan_cursor
    from app.cli.ide.plan import IdePlan
    from app.cli.ide.vscode import plan_vscode

    planners: Mapping[ConnectedIde, Callable[[ConnectOptions], IdePlan]] = {
        ConnectedIde.claude_code: plan_claude_code,
        ConnectedIde.codex: plan_codex,
        ConnectedIde.cursor: plan_cursor,
        ConnectedIde.vscode: plan_vscode,
    }
    if options.http and ide is not ConnectedIde.claude_code:
        raise ConfigurationError("--http works with Claude Code only: leave it out.")
    plan = planners[ide](options)
    changes, todo = list(plan.changes), list(plan.todo)
    if project is not None:
        changes.append(folder_change(options.directory, project, remove=options.remove))
    if not options.remove:
        changes.extend(server_change())
        if options.server is None:
            todo.append("No server is known yet: set CAIRN_URL and CAIRN_KEY and run this again, or start `cairn serve` on this machine.")
    return IdePlan(tuple(changes), tuple(todo))


def _show(
    ide: ConnectedIde, changes: list[ConfigChange], todo: tuple[str, ...], closed: list[Path], *, dry_run: bool, remove: bool
) -> None:
    from app.cli.output import out, plain

    for each in changes:
        for line in each.diff().splitlines():
            style = {"+": "green", "-": "red"}.get(line[:1], "dim")
            out.print(plain(line, style), soft_wrap=True)
        if each.path in closed:
            out.print(plain(f"{each.path} is now readable only by you, because it contains a key.", "dim"), soft_wrap=True)
        if each.after is None:
            out.print(plain(f"{each.path} is deleted: nothing else was in it.", "dim"), soft_wrap=True)
    if not changes:
        out.print(f"{ide.value}: nothing to {'remove' if remove else 'change'}.")
    elif dry_run:
        out.print("Nothing was written (--dry-run).")
    else:
        undo = f"cairn connect {ide.value}{'' if remove else ' --remove'}"
        out.print(f"{ide.value} is {'disconnected' if remove else 'connected'}. Undo: {undo}")
    for sentence in todo:
        out.print(plain(f"To do: {sentence}"), soft_wrap=True)
