"""Settings that were renamed or withdrawn: accepted for one release, and named to the operator.

A renamed one is read under both names (ConfigurationError where both are set); one of a withdrawn section is ignored.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from app.errors import ConfigurationError

RENAMED: Mapping[str, str] = {
    "budget.shrink_least_tokens": "shrink_min_tokens",
    "dashboard.most_live": "max_live",
}
"""Older name, with its section → newer one, in the same section."""
WITHDRAWN: Mapping[str, str] = {"cache.prefetch": "nothing is searched ahead any more"}
"""Section that no longer exists → what that means."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class OldName:
    """A setting that is set under its older name. `where`: the variable, or the file and section."""

    where: str
    new: str

    def __str__(self) -> str:
        return f"{self.where} is now called {self.new}: rename it. The older name is read by this version, and not by the next"


@dataclass(frozen=True, slots=True)
class WithdrawnSetting:
    """A setting of a withdrawn section. `where`: the variable, or the section and file; `why`: what its absence means."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where} has no effect: {self.why}. Take it out: this version ignores it, and the next refuses it"


def update_environment(environment: MutableMapping[str, Value], prefix: str = "cairn_") -> None:
    """Give variables (in lower case, as pydantic-settings keeps them) their newer names, and drop those of withdrawn sections."""
    for name in _withdrawn_variables(environment, prefix):
        del environment[name]
    for old, new in _variables():
        old_name, new_name = f"{prefix}{old.lower()}", f"{prefix}{new.lower()}"
        if environment.get(old_name):
            if environment.get(new_name):
                raise ConfigurationError(f"CAIRN_{old} is the older name of CAIRN_{new}, and both are set: unset CAIRN_{old}.")
            environment[new_name] = environment.pop(old_name)


def update_file(content: dict[str, Any], path: str) -> dict[str, Any]:
    """Give the settings of a file their newer names, and drop withdrawn sections."""
    for withdrawn in WITHDRAWN:
        section, name = _section(content, withdrawn)
        section.pop(name, None)
    for old, new in RENAMED.items():
        section, name = _section(content, old)
        if name in section:
            if new in section:
                raise ConfigurationError(f"{path}: {old} is the older name of {new}, and both are set: take {name} out.")
            section[new] = section.pop(name)
    return content


def old_names(environment: Mapping[str, str] = os.environ) -> list[OldName]:
    """Find what the environment and the file of CAIRN_CONFIG set under an older name."""
    given = {name.upper() for name, value in environment.items() if value}
    found = [OldName(f"CAIRN_{old}", f"CAIRN_{new}") for old, new in _variables() if f"CAIRN_{old}" in given]
    content = _content(environment)
    for old, new in RENAMED.items():
        section, name = _section(content, old)
        if name in section:
            found.append(OldName(f"{old} in {environment['CAIRN_CONFIG']}", new))
    return found


def withdrawn_settings(environment: Mapping[str, str] = os.environ) -> list[WithdrawnSetting]:
    """Find what the environment and the file of CAIRN_CONFIG set of withdrawn sections."""
    given = {name.lower(): value for name, value in environment.items() if value}
    found = [WithdrawnSetting(name.upper(), why) for name, why in sorted(_withdrawn_variables(given, "cairn_").items())]
    content = _content(environment)
    for withdrawn, why in WITHDRAWN.items():
        section, name = _section(content, withdrawn)
        if name in section:
            found.append(WithdrawnSetting(f"[{withdrawn}] in {environment['CAIRN_CONFIG']}", why))
    return found


def _content(environment: Mapping[str, str]) -> dict[str, Any]:
    path = environment.get("CAIRN_CONFIG")
    return tomllib.loads(Path(path).read_text(encoding="utf-8")) if path else {}


def _variables() -> Iterator[tuple[str, str]]:
    for old, new in RENAMED.items():
        section = old.rpartition(".")[0].replace(".", "__")
        yield old.replace(".", "__").upper(), f"{section}__{new}".upper()


def _withdrawn_variables(environment: Mapping[str, Value], prefix: str) -> dict[str, str]:
    """Find the variables (in lower case) of withdrawn sections; each with what their absence means."""
    found: dict[str, str] = {}
    for withdrawn, why in WITHDRAWN.items():
        section = prefix + withdrawn.replace(".", "__")
        found |= {name: why for name in environment if name == section or name.startswith(f"{section}__")}
    return found


def _section(content: dict[str, Any], setting: str) -> tuple[dict[str, Any], str]:
    """Find the table that a setting stands in; an empty one where there is none."""
    *sections, name = setting.split(".")
    table: Any = content
    for each in sections:
        table = table.get(each, {}) if isinstance(table, dict) else {}
    return (table if isinstance(table, dict) else {}), name
