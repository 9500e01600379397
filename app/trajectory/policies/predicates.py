"""Predicates over steps, which formulas name: each has a word, a sentence, and a bit of the letter. A step's letter is read once for all policies.

`tool "bash"`, `path "migrations/*"` and `command "terraform apply"` take a value. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.trajectory.policies.claims import says_done
from app.trajectory.policies.shell_acts import ShellActs, acts_of, begins_with
from app.trajectory.policies.testing_files import change_of_edit, checks_less, is_code, is_test
from app.trajectory.shell import commands_of
from app.trajectory.steps import MAX_TEXT_CHARS, SessionStep
from app.trajectory.tools import READ_TOOL, SHELL_TOOL, line_runs_tests, reads

MAX_VALUE_CHARS = 100
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
_SHOWN = re.compile(r"[\w./\\-]{1,200}")


@dataclass(frozen=True, slots=True)
class StepReading:
    """A step as policies see it: the predicates that hold, as a bitmask, and the files that it names, by name alone."""

    letter: int
    files: tuple[str, ...]
    step: SessionStep


@dataclass(frozen=True, slots=True)
class _Facts:
    """What several predicates ask of a step."""

    step: SessionStep
    acts: ShellActs
    files: tuple[str, ...]
    edited: tuple[str, ...]
    took_effect: bool
    tests: bool


PREDICATES: Final[Mapping[str, str]] = {
    "asks": "a person's prompt",
    "says": "a reply of the agent",
    "says_done": "a reply that says that the work is done, without a reservation and without going on",
    "plans": "thinking, or a tool that keeps a plan",
    "explores": "reads or searches",
    "reads": "shows what stands in files: a reading tool, or a command such as `cat` or `git diff`",
    "shows": "a prompt or a notice that names files: they were given to the agent",
    "edits": "changes a file, with success as far as is known",
    "edits_code": "changes a file with code (by its ending), tests included",
    "edits_test": "changes a file of tests",
    "edits_in_place": "changes a part of a file that exists",
    "writes": "writes a file whole",
    "checks": "runs tests or static checks",
    "checks_passed": "a check that succeeded",
    "checks_failed": "a check that failed",
    "tests": "runs tests",
    "tests_passed": "a run of tests that succeeded",
    "tests_failed": "a run of tests that failed",
    "builds": "compiles or builds, which finds what can't be compiled",
    "runs": "runs a program that neither looks, checks nor commits",
    "commits": "records a commit (`git commit`), with success as far as is known",
    "pushes": "publishes commits (`git push`)",
    "force_pushes": "overwrites what others may have pushed: `git push --force`, `-f` or `+branch`; with a lease it isn't",
    "deletes_test": "deletes a file or folder of tests",
    "weakens_test": "takes assertions or cases out of a file of tests, or adds what skips them",
    "succeeds": "a tool's call that succeeded",
    "fails": "a tool's call that failed",
    "rejected": "a tool's call that a person refused",
    "unavailable": "a tool's call that failed by no fault of its own: a rate limit, a server's error, a lost connection",
    "in_subagent": "the step of a sub-agent",
}
"""Word → what holds of the step."""
BITS: Final[Mapping[str, int]] = {word: 1 << place for place, word in enumerate(PREDICATES)}
FIRST_OWN_BIT: Final = 1 << len(PREDICATES)
"""The bit of a policy's first predicate with a value; those are its own."""
WITH_VALUE: Final[Mapping[str, str]] = {
    "tool": 'a call of this tool: `tool "bash"`',
    "path": 'names a file like this: `path "migrations/*.sql"`; without a slash it is compared with the file\'s name',
    "command": 'runs a command that begins with these words: `command "terraform apply"`',
}


def reading_of(step: SessionStep) -> StepReading:
    """Read which predicates hold of a step."""
    return _of_call(step) if step.tool else _of_words(step)


def nearest(word: str, among: Mapping[str, object]) -> str:
    """Return a hint with the name nearest to a word; empty where none is near."""
    found = difflib.get_close_matches(word, among, n=1, cutoff=0.5)
    return f' (did you mean "{found[0]}"?)' if found else ""


def own_predicate(word: str, value: str) -> Callable[[StepReading], bool]:
    """Return the test of a predicate with a value. LookupError says what is wrong with it."""
    if not value or len(value) > MAX_VALUE_CHARS:
        raise LookupError(f'"{word}" needs a value of 1 to {MAX_VALUE_CHARS} characters in double quotes')
    if word == "tool":
        name = value.casefold()
        return lambda reading: reading.step.tool == name
    if word == "command":
        words = value.split()
        return lambda reading: SHELL_TOOL.search(reading.step.tool) is not None and begins_with(reading.step.text, words)
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
    shell = SHELL_TOOL.search(step.tool) is not None
    acts = acts_of(step.text) if shell else _NOTHING
    edited = step.files if step.phase == "edit" or (shell and "apply_patch" in step.text[:40]) else acts.edited
    files = step.files or _path_alone(step)
    tests = step.checks and line_runs_tests(step.text)
    facts = _Facts(
        step, acts, (*files, *acts.files), edited or (files if step.phase == "edit" else ()), step.result in {"ok", "unknown"}, tests
    )
    held = [word for word, holds in _OF_CALLS.items() if holds(facts)]
    if shell and any(map(reads, commands_of(step.text))):
        held.append("reads")
    return StepReading(_mask(held, step), tuple(dict.fromkeys(map(_name, facts.files))), step)


_OF_CALLS: Final[Mapping[str, Callable[[_Facts], bool]]] = {
    "plans": lambda facts: facts.step.phase == "plan",
    "explores": lambda facts: facts.step.phase == "explore",
    "reads": lambda facts: facts.step.phase == "explore" and READ_TOOL.search(facts.step.tool) is not None,
    "edits": lambda facts: facts.took_effect and (facts.step.phase == "edit" or bool(facts.edited)),
    "edits_code": lambda facts: facts.took_effect and any(map(is_code, facts.edited)),
    "edits_test": lambda facts: facts.took_effect and any(map(is_test, facts.edited)),
    "edits_in_place": lambda facts: facts.took_effect and (bool(facts.acts.edited) or _replaces(facts.step)),
    "writes": lambda facts: facts.took_effect and facts.step.phase == "edit" and not _replaces(facts.step),
    "checks": lambda facts: facts.step.checks,
    "checks_passed": lambda facts: facts.step.checks and facts.step.result == "ok",
    "checks_failed": lambda facts: facts.step.checks and facts.step.result == "failed",
    "tests": lambda facts: facts.tests,
    "tests_passed": lambda facts: facts.tests and facts.step.result == "ok",
    "tests_failed": lambda facts: facts.tests and facts.step.result == "failed",
    "builds": lambda facts: facts.took_effect and _BUILD.search(facts.step.text) is not None and facts.step.phase in {"run", "test"},
    "runs": lambda facts: facts.step.phase == "run",
    "commits": lambda facts: facts.took_effect and facts.acts.commits,
    "pushes": lambda facts: facts.took_effect and facts.acts.pushes,
    "force_pushes": lambda facts: facts.step.result != "rejected" and facts.acts.forces,
    "deletes_test": lambda facts: facts.took_effect and _deletes_test(facts),
    "weakens_test": lambda facts: facts.took_effect and _weakens_test(facts),
    "succeeds": lambda facts: facts.step.result == "ok",
    "fails": lambda facts: facts.step.result == "failed",
    "rejected": lambda facts: facts.step.result == "rejected",
    "unavailable": lambda facts: facts.step.result == "unavailable",
}


def _replaces(step: SessionStep) -> bool:
    return step.phase == "edit" and _REPLACES.search(step.text) is not None


def _deletes_test(facts: _Facts) -> bool:
    if facts.acts.deletes_tests or any(map(is_test, _DELETED_FILE.findall(facts.step.text))):
        return True
    return not facts.acts.files and _DELETE_TOOL.search(facts.step.tool) is not None and any(map(is_test, facts.files))


def _weakens_test(facts: _Facts) -> bool:
    """Compare what an edit takes out and puts in. Of a text that was cut off the end is unknown: nothing is concluded."""
    if not any(map(is_test, facts.edited)) or len(facts.step.text) >= MAX_TEXT_CHARS:
        return False
    return checks_less(*change_of_edit(facts.step.text))


def _path_alone(step: SessionStep) -> tuple[str, ...]:
    """Return the path where a tool that isn't a shell was given nothing else, or a path in the first line."""
    line = step.text.split("\n", 1)[0].strip()
    return (line,) if SHELL_TOOL.search(step.tool) is None and len(line) <= 500 and " " not in line and is_code(line) else ()


def _name(path: str) -> str:
    """Return a file's name: tools are given paths from the root, commands from some folder."""
    return path[-500:].replace("\\", "/").rstrip("/").rpartition("/")[2]


def _mask(words: list[str], step: SessionStep) -> int:
    found = BITS["in_subagent"] if step.sidechain else 0
    for word in words:
        found |= BITS[word]
    return found
