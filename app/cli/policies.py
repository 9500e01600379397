"""`cairn policies`: the rules over sessions of a project, one of them switched, and whether events, or a file of rules, keep to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from app.cli.exits import FAILED, ServerRefused
from app.cli.output import AsJson
from app.cli.requests import print_result, send_request
from app.errors import CairnError, InvalidInput, Unreadable

if TYPE_CHECKING:
    from app.cli.client import Json, ServerClient

policies = typer.Typer(help="Show and switch rules over sessions, and check events or a file of rules.", no_args_is_help=True)

ROUTE = "/v1/policies"


class PolicySeverityOption(StrEnum):
    """The severity of a policy, as the command line takes it."""

    metric = "metric"
    nudge = "nudge"
    alert = "alert"


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
    if given is not None and project is not None:
        raise InvalidInput(f"Give a file of policies or --project, not both: {given} is checked by itself.", param="project")
    events = {} if alone else _events(file)
    body: dict[str, object] = {"events": list(events.values())}
    body |= {name: value for name, value in (("project", project), ("file", None if given is None else _text(given))) if value is not None}
    try:
        found = send_request(lambda client: client.post(f"{ROUTE}/check", body))
    except ServerRefused as error:
        raise _placed(error, file, given, list(events)) from error
    if as_json:
        print_json(found)
    elif alone:
        _print_usable(file, found)
    else:
        _print_verdicts(found)
    if any(each["verdict"] == "false" for each in found["verdicts"]):
        raise typer.Exit(FAILED)


@policies.command("switch")
def switch(
    policy: Annotated[
        str, typer.Argument(metavar="POLICY", help="Id of the policy, as `cairn policies list` shows it.", show_default=False)
    ],
    *,
    project: Annotated[str, typer.Option("--project", "-p", help="The project to switch it in.", show_default=False)],
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether the policy is watched.", show_default=False)] = None,
    severity: Annotated[
        PolicySeverityOption | None, typer.Option("--severity", help="Who is told when it is broken.", show_default=False)
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Make it as in the installation again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Switch a policy on or off in a project, or change its severity. For leads and admins. The project's other policies stay."""
    if reset == (enabled is not None or severity is not None):
        raise InvalidInput("Say what to change: --on, --off or --severity; or --reset alone.", param="enabled")
    wanted = {name: value for name, value in (("enabled", enabled), ("severity", severity)) if value is not None}

    async def work(client: ServerClient) -> Json:
        shipped, found = await client.get(ROUTE), await client.get(ROUTE, project=project)
        return await client.put(
            f"{ROUTE}?{urlencode({'project': project})}", _switched(policy, wanted, shipped["policies"], found["policies"])
        )

    changed = next(each for each in send_request(work)["policies"] if each["id"] == policy)
    print_result(changed, as_json, f"{policy} is {'on' if changed['enabled'] else 'off'} in {project}, severity {changed['severity']}.")


def _switched(policy: str, wanted: Json, shipped: Sequence[Json], found: Sequence[Json]) -> Json:
    """Make the body that says of a project's policies what holds now, but for one. `wanted`: its new values; none: as it is shipped."""
    own = [_definition(each) | (wanted if each["id"] == policy else {}) for each in found if each["origin"] == "project"]
    now = {each["id"]: each for each in found}
    switches = []
    for each in shipped:
        after = (now[each["id"]] | wanted if wanted else each) if each["id"] == policy else now[each["id"]]
        if differing := {name: after[name] for name in ("enabled", "severity") if after[name] != each[name]}:
            switches.append({"id": each["id"]} | differing)
    if policy not in now:
        switches.append({"id": policy})  # the server says so, and which one was meant
    return {"switches": switches, "policies": own}


def _definition(shown: Json) -> Json:
    """Return a policy of a project's own as it was given."""
    rule = {"formula": shown["formula"]} if shown["template"] is None else {"template": shown["template"], **shown["parts"]}
    return {name: shown[name] for name in ("id", "words", "severity", "enabled", "for_each")} | rule


def _placed(error: ServerRefused, file: Path, rules: Path | None, lines: Sequence[int]) -> CairnError:
    """Name the file, and the line for an event's number, in what the server says of them."""
    if error.code == "invalid_policies":
        return Unreadable(error.message.replace("The file", str(rules), 1))
    match (error.param or "").split("."):
        case ["events", number, *rest] if number.isdecimal() and int(number) < len(lines):
            said = error.message.removeprefix(str(error.param)).partition(" Also wrong:")[0]
            return Unreadable(f"{file}, line {lines[int(number)]}: {'.'.join(rest) or 'the event'}{said}")
        case _:
            return error


def _events(file: Path) -> dict[int, Json]:
    """Read the events of a file, each with the number of its line. Unreadable for what can't be generic events."""
    found = {}
    for number, line in enumerate(_text(file).splitlines(), start=1):
        if line.strip():
            found[number] = _event(file, number, line)
    if not found:
        raise Unreadable(f"{file} has no events: write a generic event on each line (docs/reference/transcripts.md).")
    return found


def _event(file: Path, number: int, line: str) -> Json:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            f"{file}, line {number}: this is no JSON object. A generic event stands on each line; a file of policies ends in .yaml."
        ) from error
    if not isinstance(event, dict) or "role" not in event:
        raise Unreadable(
            f"{file}, line {number}: this is no generic event, which has an `id` and a `role`. Send an agent's transcript with"
            " `cairn ingest`: `cairn sessions show` then tells which policies it broke."
        )
    return event


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
