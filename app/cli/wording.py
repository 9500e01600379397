"""Puts a server's message into the words of the command line: it names options and commands, not fields and routes.

Messages say `cairn …` beside each route (CONTRIBUTING.md, "A message"); the error's `param` names the field at fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.cli.exits import ServerRefused
from app.errors import CairnError

_ROUTE = r"(?:GET|POST|PUT|PATCH|DELETE) /v1(?:/[^\s,;:)]*[^\s,;:.)])?"
_BESIDE = (
    re.compile(rf"{_ROUTE} or "),
    re.compile(rf", or (?:with )?{_ROUTE},(?= )"),
    re.compile(rf",? or (?:with )?{_ROUTE}"),
    re.compile(rf" \({_ROUTE}\)"),
)
"""A route beside what a person uses instead, in each of the forms that messages have."""
OPTION_NAMES: Mapping[str, Sequence[str]] = {
    "amount_usd": ("usd",),
    "charged_tokens": ("tokens",),
    "charged_usd": ("usd",),
    "expires_at": ("expires",),
    "from": ("begin",),
    "invitation_id": ("invitation",),
    "item_id": ("id",),
    "job_id": ("job",),
    "kinds": ("kind",),
    "max_tokens": ("tokens",),
    "min_cost_usd": ("min_cost",),
    "monthly_limit_tokens": ("tokens",),
    "monthly_limit_usd": ("monthly_limit_usd", "usd", "limit"),
    "name": ("name", "developer", "team", "project"),
    "own": ("mine",),
    "paths": ("path",),
    "provider": ("agent",),
    "query": ("question",),
    "session_id": ("session",),
    "to": ("end",),
    "types": ("type",),
    "x-cairn-developer": ("developer",),
    "x-cairn-project": ("project",),
    "x-cairn-team": ("team",),
}
"""Fields of requests, and the names that commands' parameters have for them. Others have the same name."""
_USAGE = (
    ("Value error, ", ""),
    ("Input should be less than or equal to", "must be at most"),
    ("Input should be greater than or equal to", "must be at least"),
    ("Input should be greater than", "must be above"),
    ("Input should be less than", "must be below"),
    ("Input should be a valid integer, unable to parse string as an integer", "must be a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "must be a number"),
    ("Input should be", "must be"),
)
_WHOLE = re.compile(r"(?<=must be )(at most|at least|above|below) (\d+)(?:\.0)?\b")
OLDER_SERVER = "The server doesn't know what this command asks for: it is probably older than this command. Update the server."
UNKNOWN_ROUTES = ("There is no such route", "This route doesn't take this method")


def in_command_words(error: CairnError, command: Any = None) -> str:
    """Return an error's message for the user of a command. `command`: Click's, whose options are named; None: unknown."""
    message = error.message
    if not isinstance(error, ServerRefused):
        return message
    if message.startswith(UNKNOWN_ROUTES):
        return OLDER_SERVER
    return _with_options(without_routes(message), error.param, _labels(command))


def usage_message(message: str) -> str:
    """Return Typer's message about an option's value, which is pydantic's, in the words of our own."""
    if "does not match the format" in message:
        given = message.partition(" does not match")[0].removeprefix("Value error, ")
        return f"{given} is not a date: write 2026-11-28{' or 2026-11-28T14:30:00' if '%H' in message else ''}."
    for words, ours in _USAGE:
        message = message.replace(words, ours)
    message = _WHOLE.sub(lambda found: f"{found[1]} {int(found[2]):,}", message)
    return f"{message}." if message and not message.endswith(".") else message


def of_ingest(message: str) -> str:
    """Return the server's message about a file that `cairn ingest` sent, for its user."""
    return _with_options(without_routes(message), None, {name: f"--{name}" for name in ("format", "project", "team")})


def without_routes(message: str) -> str:
    """Leave out each route that stands beside a command or a page."""
    for form in _BESIDE:
        message = form.sub("", message)
    return message


def _with_options(message: str, param: str | None, labels: Mapping[str, str]) -> str:
    """Name options for fields: the field at fault where it stands first, and every field in backticks or with an underscore."""
    field = re.split(r"[.\[]", param)[0] if param else ""
    if field in labels:
        message = re.sub(rf"(?<![-\w`]){re.escape(field)}(?:\[\d+\]|\.\d+)?(?![-\w`])", labels[field], message, count=1)
    for name, label in labels.items():
        message = message.replace(f"`{name}`", label)
        if "_" in name:
            message = re.sub(rf"(?<![-\w]){re.escape(name)}(?!\w)", label, message)
    return message


def _labels(command: Any) -> dict[str, str]:
    """Return what a command calls the fields of its request: `--tokens`, `QUESTION`."""
    own = {each.name: _label(each) for each in getattr(command, "params", ()) if each.name not in {"help", "as_json", "quiet"}}
    fields = {field: label for field, names in OPTION_NAMES.items() if (label := next((own[name] for name in names if name in own), None))}
    return own | fields


def _label(parameter: Any) -> str:
    long = [each for each in parameter.opts if each.startswith("--")]
    return str(long[0] if long else parameter.metavar or parameter.name.upper())


def called(command: Any, words: Sequence[str]) -> list[Any]:
    """Find the groups and the command that words lead to: groups have no options of their own, so that the first words are its name."""
    path = [command]
    for word in words:
        below = getattr(path[-1], "commands", None)
        if below is None or word not in below:
            break
        path.append(below[word])
    return path
