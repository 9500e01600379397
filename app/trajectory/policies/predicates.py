"""The predicates that formulas name: each has a word, a sentence, and a bit of the letter. Pure.

`tool "bash"`, `path "migrations/*"` and `command "terraform apply"` take a value.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

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


def nearest(word: str, among: Mapping[str, object]) -> str:
    """Return a hint with the name nearest to a word; empty where none is near."""
    found = difflib.get_close_matches(word, among, n=1, cutoff=0.5)
    return f' (did you mean "{found[0]}"?)' if found else ""
