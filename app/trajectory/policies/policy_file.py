"""Reads policies from YAML: `config/policies.yaml`, or another file of that form. Every error names the file's line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from yaml.composer import ComposerError

from app.errors import ConfigurationError, InvalidInput
from app.settings import ROOT
from app.trajectory.policies.policy import PolicyError, definition_of
from app.trajectory.policies.views import PolicyDefinition

SHIPPED: Final = ROOT / "config" / "policies.yaml"
MAX_BYTES = 200_000
MAX_POLICIES = 100
MAX_NODES, MAX_DEPTH = 5_000, 8
"""Values and keys of a file, and how deep they are nested: 100 policies have a third of as many, four deep."""
_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}


class PolicyFileError(InvalidInput):
    """A file of policies can't be used. `problems`: all that was found, each with its place, and told on its own line."""

    code = "invalid_policies"

    def __init__(self, name: str, problems: list[str]) -> None:
        several = f", for {len(problems)} reasons:\n" if len(problems) > 1 else ": "
        super().__init__(f"{name} can't be used{several}" + "\n".join(f"{each}." for each in problems), param="file")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Field:
    value: object
    line: int
    column: int
    block: bool


def load_policies(path: Path) -> tuple[PolicyDefinition, ...]:
    """Load the file of an installation. ConfigurationError names the file and the places."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"The policies can't be read from {path}: {error.strerror}. Check CAIRN_POLICIES__FILE.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: save it in that encoding.") from error
    try:
        return read_policies(text, name=str(path))
    except PolicyFileError as error:
        raise ConfigurationError(error.message) from error


def read_policies(text: str, *, name: str) -> tuple[PolicyDefinition, ...]:
    """Read policies from YAML. PolicyFileError lists what is wrong with each, with its line and column."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise PolicyFileError(name, [f"it has more than {MAX_BYTES:,} bytes"])
    problems: list[str] = []
    found: dict[str, PolicyDefinition] = {}
    for node in _entries(text, name):
        try:
            policy = _policy(node)
        except _Misplaced as problem:
            problems.append(str(problem))
            continue
        if policy.id in found:
            problems.append(f"{_place(node)}: there is a policy {policy.id} already: give this one another id")
        found[policy.id] = policy
    if problems:
        raise PolicyFileError(name, problems)
    return tuple(found.values())


class _BoundedLoader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """Composes a file's nodes up to the bounds: 200,000 bytes of brackets would take seconds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose the next node. ComposerError past the bounds."""
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            problem = f"more than {MAX_NODES:,} values and keys, or nested more than {MAX_DEPTH} deep"
            raise ComposerError(None, None, problem, self.peek_event().start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Misplaced(Exception):
    """A problem of one policy, with its place in the file."""


def _entries(text: str, name: str) -> list[yaml.Node]:
    """Return the nodes of the policies. Nothing is constructed: only texts are read from it."""
    try:
        root = yaml.compose(text, Loader=_BoundedLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise PolicyFileError(name, [f"{place}it is no YAML: {error.problem or error.context}"]) from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # the last two: an escape or a version past all numbers
        raise PolicyFileError(name, ["it is no YAML that can be read, or is nested too deeply"]) from error
    entries = _members(root, name) if root is not None else {}
    if unknown := next((each for each in entries if each != "policies"), None):
        raise PolicyFileError(name, [f'{_place(root)}: expected only the key "policies", but found "{unknown[:40]}"'])
    listed = entries.get("policies")
    if not isinstance(listed, yaml.SequenceNode):
        raise PolicyFileError(name, [f'{_place(root)}: expected the key "policies" with a list of policies'])
    if len(listed.value) > MAX_POLICIES:
        raise PolicyFileError(name, [f"it has {len(listed.value)} policies; at most {MAX_POLICIES} are allowed"])
    return list(listed.value)


def _members(node: yaml.Node | None, name: str) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in found:
            raise PolicyFileError(name, [f'{_place(key)}: the key "{key.value[:40]}" stands here twice'])
        found[key.value] = value
    return found


def _policy(node: yaml.Node) -> PolicyDefinition:
    if not isinstance(node, yaml.MappingNode):
        raise _Misplaced(f"{_place(node)}: expected a policy: keys with values")
    fields = dict(_fields(node))
    try:
        return definition_of({key: each.value for key, each in fields.items()})
    except PolicyError as error:
        raise _Misplaced(f"{_place_in(fields.get(error.key), node, error)}{error.key}: {error.reason}") from error


def _fields(node: yaml.MappingNode) -> Iterator[tuple[str, _Field]]:
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            raise _Misplaced(f"{_place(value)}: expected a text, but found a list or keys")
        if key.value in seen:
            raise _Misplaced(f'{_place(key)}: the key "{key.value[:40]}" stands here twice')
        seen.add(key.value)
        given: object = _BOOLEANS.get(value.value.casefold(), value.value) if key.value == "enabled" else value.value
        column = value.start_mark.column + (value.style in {"'", '"'})
        yield key.value, _Field(given, value.start_mark.line, column, value.style in {"|", ">"})


def _place_in(field: _Field | None, node: yaml.Node, error: PolicyError) -> str:
    """Tell the place of an error: within a formula on one line that of the word; within a block its line."""
    if field is None:
        return f"{_place(node)}: "
    line, column = field.line + 1, field.column + 1
    if error.line is not None and error.column is not None:
        if field.block:
            return f"line {line + error.line}, column {error.column} of the block's text: "
        line, column = line + error.line - 1, column + error.column - 1
    return f"line {line}, column {column}: "


def _place(node: yaml.Node | None) -> str:
    return "line 1" if node is None else f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"
