"""Writes the types of options as a person reads them: `--project PROJECT`, `--since DATE`, instead of Python's names and formats."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

MAX_CHOICES = 6
"""More of them are listed behind the help's text, not in the option's column."""
DAY_FORM = "Written as 2026-11-28."
DATE_FORMS = "Written as 2026-11-28 or 2026-11-28T14:30:00."


def make_readable(parameters: Iterable[Any]) -> None:
    """Name the value of each option, and leave out the types of arguments. A later Typer that describes them otherwise is left as it is."""
    for parameter in parameters:
        described = getattr(parameter, "type_descriptor", None)
        if described is None or getattr(parameter, "is_flag", False):
            continue
        choices = [str(getattr(each, "value", each)) for each in described.choices or ()]
        if parameter.param_type_name == "argument":
            if not choices:
                parameter.display_type_rich = _no_type
        elif parameter.metavar is None and not 0 < len(choices) <= MAX_CHOICES:
            parameter.metavar = _value_name(parameter.name, described.annotation)
            more = f"One of: {', '.join(choices)}." if choices else _date_forms(described)
            parameter.help = f"{parameter.help or ''} {more}".strip()


def _value_name(name: str, annotation: Any) -> str:
    if annotation in (int, float):
        return "NUMBER"
    return "DATE" if annotation is datetime else name.upper().replace("_", "-")


def _date_forms(described: Any) -> str:
    """Say how a date is written; nothing for another type."""
    if described.annotation is not datetime:
        return ""
    formats = getattr(getattr(described, "parameter_info", None), "formats", None) or ()
    return DATE_FORMS if any("%H" in each for each in formats) else DAY_FORM


def _no_type(ctx: Any) -> None:
    del ctx
