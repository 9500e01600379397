"""Writes the tables of settings.md and routes.md from the code: python docs/reference/generate.py [--check]

Each table stands between two comments of its page; a test compares them with the code.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


TABLES = {"settings.md": settings_table, "routes.md": routes_table}


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
