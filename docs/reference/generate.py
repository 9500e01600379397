"""Writes the tables of settings.md, routes.md and client.md from the code: python docs/reference/generate.py [--check]

Each table stands between two comments of its page; a test compares them with the code.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.settings import Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BEGIN, END = "<!-- written by docs/reference/generate.py -->", "<!-- end -->"
METHODS = ("get", "head", "post", "put", "patch", "delete")
MAX_DEFAULT = 60


def settings_table() -> str:
    """List every setting: its variable, its default, what it does."""
    rows = ["| variable | default | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {_default(field)} | {_cell(field.description or '')} |" for name, field in _fields(Settings, "CAIRN_")]
    return "\n".join(rows)


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", field


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
    if value is PydanticUndefined or value is None or isinstance(value, dict | BaseModel) or not str(value) or value == ():
        return ""
    if isinstance(value, Path):
        value = str(value).replace(f"{ROOT}/", "").replace(str(Path.home()), "~")
    if isinstance(value, list | tuple):
        value = " ".join(str(each) for each in value)
    shown = _cell(str(value))
    return f"`{shown}`" if len(shown) <= MAX_DEFAULT else f"`{shown[:MAX_DEFAULT]}…`"


def routes_table() -> str:
    """List every route of the OpenAPI page, with its summary and the first paragraph of its description."""
    from app.main import create_app

    with tempfile.TemporaryDirectory() as scratch:
        paths: dict[str, Any] = create_app(Settings(data_dir=Path(scratch))).openapi()["paths"]
    rows = ["| route | what it does |", "| --- | --- |"]
    for path, methods in sorted(paths.items()):
        for method in METHODS:
            if method in methods:
                summary, more = methods[method].get("summary", ""), methods[method].get("description", "").split("\n\n")[0]
                rows.append(f"| `{method.upper()} {path}` | {_cell(f'{summary}. {more}' if more else summary)} |")
    return "\n".join(rows)


def client_tables() -> str:
    """List the Python client's methods, records and errors, as their docstrings describe them."""
    from cairn import client as package

    client = package.Client("http://127.0.0.1:8080", "key")
    parts = [("client", client), *((f"client.{name}", getattr(client, name)) for name in ("knowledge", "sessions", "jobs", "budget"))]
    rows = ["| call | what it does |", "| --- | --- |"]
    for named, part in parts:
        rows += [f"| `{named}.{name}{_signature(method)}` | {_doc(method)} |" for name, method in _public(type(part))]
    client.close()
    rows += ["", "## Records", "", "| record | fields | what it is |", "| --- | --- | --- |"]
    things = [getattr(package, name) for name in package.__all__]
    for record in (each for each in things if dataclasses.is_dataclass(each)):
        shown = ", ".join(f"`{each.name}`" for each in dataclasses.fields(record))
        rows.append(f"| `{record.__name__}` | {shown} | {_doc(record)} |")
    rows += ["", "## Errors", "", "| error | is a | what it says |", "| --- | --- | --- |"]
    for error in (each for each in things if issubclass(each, Exception)):
        rows.append(f"| `{error.__name__}` | `{error.__base__.__name__}` | {_doc(error)} |")
    return "\n".join(rows)


def _public(kind: type) -> Iterator[tuple[str, Any]]:
    return ((name, each) for name, each in vars(kind).items() if not name.startswith("_") and inspect.isfunction(each))


def _signature(method: Any) -> str:
    """Write a method's arguments as they are called, without types; `**filters` by what they may be."""
    hints, shown = get_type_hints(method), []
    for each in list(inspect.signature(method).parameters.values())[1:]:
        if each.kind is each.VAR_KEYWORD:
            shown += [f"{name}=" for name in get_type_hints(get_args(hints[each.name])[0])]
        else:
            shown.append(each.name if each.default is each.empty and each.kind is not each.KEYWORD_ONLY else f"{each.name}=")
    return f"({', '.join(shown)})"


def _doc(thing: Any) -> str:
    return _cell(inspect.getdoc(thing) or "")


TABLES = {"settings.md": settings_table, "routes.md": routes_table, "client.md": client_tables}


def written(page: str, table: str) -> str:
    """Put the table into the page's place for it."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def stale() -> list[str]:
    """Name the pages that say something else than the code."""
    return [name for name, table in TABLES.items() if written((HERE / name).read_text(), table()) != (HERE / name).read_text()]


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page lags")
    if arguments.parse_args().check:
        lagging = stale()
        print(f"They lag behind the code: {', '.join(lagging)}" if lagging else "They say what the code says.")
        sys.exit(bool(lagging))
    for name, table in TABLES.items():
        (HERE / name).write_text(written((HERE / name).read_text(), table()))
