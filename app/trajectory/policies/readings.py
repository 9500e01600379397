"""Reads a step once for all policies: which predicates hold of it, and which files it names. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.redaction.stored_fields import without_invalid_chars
from app.trajectory.events.normal import digest
from app.trajectory.events.shell import commands_of
from app.trajectory.events.steps import MAX_TEXT_CHARS, Phase, Result, SessionStep
from app.trajectory.events.tools import READ_TOOL, SHELL_TOOL, line_runs_tests, reads
from app.trajectory.policies.claims import says_done
from app.trajectory.policies.predicates import BITS
from app.trajectory.policies.shell_acts import ShellActs, acts_of, begins_with
from app.trajectory.policies.step_inputs import change_of_edit, input_of
from app.trajectory.policies.testing_files import checks_less, is_code, is_test

MAX_VALUE_CHARS = 100
MAX_NAME_CHARS = 100
"""Characters of a file's name; of a longer one its end, marked with a hash of the whole: many are part of a stored state."""
MAX_STARS = 3
"""Stars of a path's pattern: each is tried at every place."""
_NOTHING: Final = ShellActs()
_REPLACES = re.compile(r"^- |^\*\*\* Update File|\bold_?str(?:ing)?\b", re.MULTILINE | re.IGNORECASE)
_DELETED_FILE = re.compile(r"^\*\*\* Delete File: (.+)$", re.MULTILINE)
_DELETE_TOOL = re.compile(r"delete|remove|unlink", re.IGNORECASE)
_BUILD = re.compile(
    r"\b(?:go build|cargo build|(?:mvnw?|gradlew?) (?:-\S+ )?(?:compile\w*|package|build|assemble\w*)|dotnet build|swift build|cmake --build|ninja|mix compile|javac"
    r"|(?:npm|pnpm|yarn|bun|mise|just|task|make|nx|turbo) (?:run )?build|py_compile|compileall|xcodebuild)\b"
)
_BUILD_WORDS: Final = ("build", "compile", "package", "assemble", "ninja", "javac")
"""Words of which `_BUILD` needs one."""
_SHOWN = re.compile(r"[\w./\\-]{1,200}")


@dataclass(frozen=True, slots=True)
class StepReading:
    """A step as policies see it: the predicates that hold, as a bitmask, and the files that it names, by name alone. `text`: its input."""

    letter: int
    files: tuple[str, ...]
    step: SessionStep
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """Facts of a step that several predicates need."""

    step: SessionStep
    text: str
    acts: ShellActs
    files: tuple[str, ...]
    edited: tuple[str, ...]
    tests: bool
    replaces: bool


def reading_of(step: SessionStep) -> StepReading:
    """Read which predicates hold of a step."""
    return _of_call(step) if step.tool else _of_words(step)


def own_predicate(word: str, value: str) -> Callable[[StepReading], bool]:
    """Return the test of a predicate with a value. LookupError says what is wrong with it."""
    if not value or len(value) > MAX_VALUE_CHARS:
        raise LookupError(f'"{word}" needs a value of 1 to {MAX_VALUE_CHARS} characters in double quotes')
    if word == "tool":
        name = value.casefold()
        return lambda reading: reading.step.tool == name
    if word == "command":
        words = value.split()
        return lambda reading: SHELL_TOOL.search(reading.step.tool) is not None and begins_with(reading.text, words)
    if value.count("*") > MAX_STARS:
        raise LookupError(f'a path\'s pattern has at most {MAX_STARS} stars: "{value}" has more')
    pattern = re.compile(".*".join(map(re.escape, value.split("*"))) + r"\Z", re.DOTALL)
    return lambda reading: any(_fits(pattern, path, whole="/" in value) for path in reading.step.files)


def _fits(pattern: re.Pattern[str], path: str, *, whole: bool) -> bool:
    """Compare a path, from any of its folders on, or its name alone."""
    parts = path[-500:].replace("\\", "/").split("/")
    return any(pattern.match("/".join(parts[place:])) for place in (range(len(parts)) if whole else (-1,)))


def _of_words(step: SessionStep) -> StepReading:
    if step.kind == "reply":
        done = not step.sidechain and says_done(step.text)
        return StepReading(_mask(["says", "says_done"] if done else ["says"], step), (), step)
    if step.kind == "thinking":
        return StepReading(_mask(["plans"], step), (), step)
    shown = tuple(dict.fromkeys(_name(each) for each in _SHOWN.findall(step.text) if "." in each and is_code(each)))
    held = [word for word, holds in (("asks", step.phase == "ask"), ("shows", bool(shown))) if holds]
    return StepReading(_mask(held, step), shown, step)


def _of_call(step: SessionStep) -> StepReading:
    text, shell, named = input_of(step), SHELL_TOOL.search(step.tool) is not None, step.files
    acts = acts_of(text) if shell else _NOTHING
    if not named and not shell:
        named = _path_alone(text)
    edited = named if step.phase == "edit" or (shell and "apply_patch" in text[:40]) else acts.edited
    tests = step.checks and line_runs_tests(text)
    replaces = step.phase == "edit" and _REPLACES.search(text) is not None
    facts = _Facts(step, text, acts, (*named, *acts.files), edited, tests, replaces)
    held = list(_words_of_call(facts))
    if shell and any(map(reads, commands_of(text))):
        held.append("reads")
    return StepReading(_mask(held, step), tuple(dict.fromkeys(map(_name, facts.files))), step, text)


_BY_PHASE: Final[Mapping[Phase, str]] = {"plan": "plans", "explore": "explores", "run": "runs"}
_BY_RESULT: Final[Mapping[Result, str]] = {"ok": "succeeds", "failed": "fails", "rejected": "rejected", "unavailable": "unavailable"}
_ENDED: Final[Mapping[Result, str]] = {"ok": "passed", "failed": "failed"}


def _words_of_call(facts: _Facts) -> Iterator[str]:
    """Yield the predicates that hold of a call."""
    step = facts.step
    if word := _BY_PHASE.get(step.phase):
        yield word
    if word := _BY_RESULT.get(step.result):
        yield word
    for word, holds in (("checks", step.checks), ("tests", facts.tests)):
        if holds:
            yield word
            if ended := _ENDED.get(step.result):
                yield f"{word}_{ended}"
    if step.phase == "explore" and READ_TOOL.search(step.tool) is not None:
        yield "reads"
    if facts.acts.forces and step.result != "rejected":
        yield "force_pushes"
    if step.result in {"ok", "unknown"}:
        yield from (word for word, holds in _OF_EFFECTS.items() if holds(facts))


def _builds(text: str) -> bool:
    return any(map(text.__contains__, _BUILD_WORDS)) and _BUILD.search(text) is not None


def _deletes_test(facts: _Facts) -> bool:
    patched = "*** Delete File: " in facts.text and any(map(is_test, _DELETED_FILE.findall(facts.text)))
    if facts.acts.deletes_tests or patched:
        return True
    return not facts.acts.files and _DELETE_TOOL.search(facts.step.tool) is not None and any(map(is_test, facts.files))


def _weakens_test(facts: _Facts) -> bool:
    """Compare what an edit takes out and puts in. Of a text that was cut off the end is unknown: nothing is concluded."""
    if not any(map(is_test, facts.edited)) or len(facts.step.text) >= MAX_TEXT_CHARS:
        return False
    return checks_less(*change_of_edit(facts.text))


_OF_EFFECTS: Final[Mapping[str, Callable[[_Facts], bool]]] = {
    "edits": lambda facts: facts.step.phase == "edit" or bool(facts.edited),
    "edits_code": lambda facts: any(map(is_code, facts.edited)),
    "edits_test": lambda facts: any(map(is_test, facts.edited)),
    "edits_in_place": lambda facts: bool(facts.acts.edited) or facts.replaces,
    "writes": lambda facts: facts.step.phase == "edit" and not facts.replaces,
    "builds": lambda facts: facts.step.phase in {"run", "test"} and _builds(facts.text),
    "commits": lambda facts: facts.acts.commits,
    "pushes": lambda facts: facts.acts.pushes,
    "deletes_test": _deletes_test,
    "weakens_test": _weakens_test,
}
"""Predicates of calls that took effect, or may have."""


def _path_alone(text: str) -> tuple[str, ...]:
    """Return the path that stands alone in the first line of a tool's input."""
    line = text.split("\n", 1)[0].strip()
    return (line,) if len(line) <= 500 and " " not in line and is_code(line) else ()


def _name(path: str) -> str:
    """Return a file's name: tools are given paths from the root, commands from some folder. One read from JSON may hold any character."""
    name = without_invalid_chars(path).replace("\\", "/").rstrip("/").rpartition("/")[2]
    return name if len(name) <= MAX_NAME_CHARS else f"{digest(name):016x}…{name[17 - MAX_NAME_CHARS :]}"


def _mask(words: list[str], step: SessionStep) -> int:
    found = BITS["in_subagent"] if step.sidechain else 0
    for word in words:
        found |= BITS[word]
    return found
