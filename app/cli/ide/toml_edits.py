"""Changes tables of a TOML file and keeps the rest as it stands, comments and order too."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from app.cli.ide.config_file import ConfigChange, backup_of, read_config
from app.errors import ConfigurationError


def toml_change(path: Path, edit: Callable[[TOMLDocument], None], *, remove: bool = False, private: bool = False) -> ConfigChange:
    """Edit a TOML file. Removing leaves no file behind that was made for Cairn alone. Raises ConfigurationError for a broken one."""
    before = read_config(path)
    try:
        document = tomlkit.parse(before or "")
        unchanged = document.unwrap()
        edit(document)
        after = tomlkit.dumps(document)
        changed = tomllib.loads(after)
    except (TOMLKitError, ValueError) as error:
        raise ConfigurationError(
            f"{path} is not valid TOML for this IDE ({error}). Nothing was changed. Correct the file, then try again."
        ) from error
    if changed == unchanged:
        return ConfigChange(path, before, before, private)
    if not remove:
        return ConfigChange(path, before, after, private)
    earlier = backup_of(path)
    if earlier is None and not after.strip():
        return ConfigChange(path, before, None, private)
    same = earlier is not None and earlier.strip() == after.strip()
    return ConfigChange(path, before, earlier if same else after.rstrip() + "\n", private)


def table_at(document: TOMLDocument, path: tuple[str, str]) -> Any:
    """Return the plain value of a table within a table; None where there is none."""
    outer, name = path
    tables = document.unwrap().get(outer)
    return tables.get(name) if isinstance(tables, dict) else None


def set_table(document: TOMLDocument, path: tuple[str, str], values: Mapping[str, Any]) -> None:
    """Set a table within a table; its place stays, where it is there already. Raises ValueError where the outer one is none."""
    outer, name = path
    tables = document.get(outer)
    if tables is None:
        document[outer] = tables = tomlkit.table(is_super_table=True)
    if not isinstance(tables, dict):
        raise ValueError(f"{outer} should be a table")  # noqa: TRY004 - told as a broken file
    if name in tables and tables[name] == values:
        return
    made = tomlkit.inline_table() if isinstance(tables, InlineTable) else tomlkit.table()
    made.update(values)
    tables[name] = made


def remove_table(document: TOMLDocument, path: tuple[str, str]) -> None:
    """Remove a table within a table, and the outer one where nothing is left in it."""
    outer, name = path
    tables = document.get(outer)
    if isinstance(tables, dict) and name in tables:
        del tables[name]
        if not tables:
            del document[outer]
