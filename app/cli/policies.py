"""`cairn policies`: the rules over sessions of a project, and whether a session's events, or a file of rules, keep to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.exits import FAILED
from app.cli.output import AsJson
from app.cli.requests import send_request
from app.errors import Unreadable

if TYPE_CHECKING:
    from app.cli.client import Json

policies = typer.Typer(help="Show rules over sessions, and check events or a file of rules.", no_args_is_help=True)

ROUTE = "/v1/policies"
RULES = frozenset({".yaml", ".yml"})
Project = Annotated[
    str | None, typer.Option("--project", "-p", help="This project's policies instead of the installation's.", show_default=False)
]


@policies.command("list")
def list_policies(
    project: Project = None,
    *,
    templates: Annotated[bool, typer.Option("--templates", help="Show the templates that a policy can use.")] = False,
    predicates: Annotated[bool, typer.Option("--predicates", help="Show the predicates that a formula can name.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the policies, or the templates and predicates that they are made of."""
    from app.cli.output import out, print_json, table

    found = send_request(lambda client: client.get(ROUTE, project=project))
    if as_json:
        print_json(found)
        return
    if templates:
        shown = [each | {"parts": ", ".join(each["parts"])} for each in found["templates"]]
        out.print(table(shown, {"name": "Template", "parts": "Parts", "words": "Meaning", "formula": "Formula"}))
    if predicates:
        shown = [each | {"name": f'{each["name"]} "…"' if each["takes_value"] else each["name"]} for each in found["predicates"]]
        out.print(table(shown, {"name": "Predicate", "words": "Holds of"}))
    if not templates and not predicates:
        shown = [each | {"enabled": "yes" if each["enabled"] else "no"} for each in found["policies"]]
        out.print(table(shown, {"id": "Policy", "severity": "Severity", "enabled": "On", "origin": "From", "words": "Demands"}))


@policies.command("check")
def check(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Events, one JSON object a line; or policies in YAML.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    *,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules", help="A file of policies in YAML to check the events against.", exists=True, dir_okay=False, show_default=False
        ),
    ] = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Check a session's events against policies, or whether a file of policies can be used. Exits with 1 where a policy is broken."""
    from app.cli.output import print_json

    alone = file.suffix.casefold() in RULES
    given = file if alone else rules
    body: dict[str, object] = {"events": [] if alone else _events(file)}
    body |= {name: value for name, value in (("project", project), ("file", None if given is None else _text(given))) if value is not None}
    found = send_request(lambda client: client.post(f"{ROUTE}/check", body))
    if as_json:
        print_json(found)
    elif alone:
        _print_usable(file, found)
    else:
        _print_verdicts(found)
    if any(each["verdict"] == "false" for each in found["verdicts"]):
        raise typer.Exit(FAILED)


def _events(file: Path) -> list[Any]:
    found = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        try:
            found += [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"{file}, line {number}: this is no JSON object. A generic event stands on each line.") from error
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file} can't be read: {error}. It must be a text file in UTF-8.") from error


def _print_usable(file: Path, found: Json) -> None:
    from app.cli.output import out, plain

    out.print(plain(f"{file} can be used: {len(found['verdicts'])} policies that are enabled."), soft_wrap=True)


def _print_verdicts(found: Json) -> None:
    """Print a line for each policy, and below it the events that broke it."""
    from app.cli.output import indented, out, plain

    for each in found["verdicts"]:
        out.print(plain(f"{each['verdict'].replace('_', ' '):17} {each['id']} ({each['severity']})"), soft_wrap=True)
        for violation in each["violations"]:
            out.print(indented(f"{violation['because']} Events: {', '.join(violation['events'])}"))
        if each["gave_up_at"] is not None:
            out.print(indented(f"Its formula grew to {each['gave_up_at']} literals with these events and is watched no longer: split it."))
