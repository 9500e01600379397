"""Tells what a command line does that rules speak of: commits, pushes, edits files in place, deletes tests, names files. Pure; linear in the line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.trajectory.events.shell import commands_of
from app.trajectory.policies.testing_files import is_code, is_test_place

MAX_WORDS = 400
"""Words of a line that are looked at."""
_BEFORE = frozenset({"sudo", "time", "command", "env", "nohup", "exec", "then", "do", "&&"})
_SPACED_OPTIONS = frozenset({"-C", "-c", "--git-dir", "--work-tree"})
_DELETING = frozenset({"rm", "unlink", "del", "remove-item", "trash"})
_QUOTES = "\"'`(){}[],;:"
_HERE = re.compile(r"<<-?[ \t]*['\"]?(\w{1,40})['\"]?")
_REDIRECTED = re.compile(r"(?<![0-9&>=-])>{1,2}\s*([^\s&|;>]+)")


@dataclass(frozen=True, slots=True)
class ShellActs:
    """Acts of a command line that rules speak of. `files`: words that are paths of files with code; `edited`: those of them that it changes in place."""

    commits: bool = False
    pushes: bool = False
    forces: bool = False
    deletes_tests: bool = False
    edited: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def acts_of(line: str) -> ShellActs:
    """Read a command line. Pushing with a lease isn't forcing: it overwrites nothing that wasn't seen."""
    commands = [words for each in commands_of(_without_documents(line)) if (words := _words(each))]
    git = [found for each in commands if (found := _git(each))]
    pushes = [each for each in git if each[0] == "push"]
    return ShellActs(
        commits=any(each[0] == "commit" and not {"--dry-run", "--help"}.intersection(each) for each in git),
        pushes=bool(pushes),
        forces=any(map(_forces, pushes)),
        deletes_tests=any(map(_deletes_tests, commands)),
        edited=tuple(dict.fromkeys(path for each in commands for path in _edited(each))),
        files=tuple(dict.fromkeys(word for each in commands for word in each if "." in word and is_code(word))),
    )


def begins_with(line: str, words: Iterable[str]) -> bool:
    """Tell whether a command of a line begins with these words."""
    wanted = list(words)
    return any(_words(each)[: len(wanted)] == wanted for each in commands_of(_without_documents(line)))


def _without_documents(line: str) -> str:
    """Drop the here-documents of a line: what is written into a file isn't run."""
    kept, place = [], 0
    while (found := _HERE.search(line, place)) is not None:
        begun = line.find("\n", found.end())
        ends = line.find(f"\n{found[1]}", begun) if begun >= 0 else -1
        kept.append(line[place : begun if begun >= 0 else len(line)])
        place = ends + 1 + len(found[1]) if ends >= 0 else len(line)
    return "".join([*kept, line[place:]])


def _words(command: str) -> list[str]:
    """Split a command into words without quotes, from the program on."""
    words = [word.strip(_QUOTES) for word in command.split(None, MAX_WORDS)[:MAX_WORDS]]
    begin = 0
    while begin < len(words) and (
        words[begin] in _BEFORE or ("=" in words[begin] and words[begin][:1] != "-" and "/" not in words[begin].split("=")[0])
    ):
        begin += 1
    return words[begin:]


def _git(words: list[str]) -> list[str]:
    """Return the words of a git command from its subcommand on; none where it is another program."""
    if words[0] != "git":
        return []
    place = 1
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in _SPACED_OPTIONS else 1
    return words[place:]


def _forces(push: list[str]) -> bool:
    short = any(word[:1] == "-" and word[:2] != "--" and "f" in word for word in push[1:])
    return short or "--force" in push or any(word[:1] == "+" and len(word) > 1 for word in push[1:])


def _deletes_tests(words: list[str]) -> bool:
    git = _git(words)
    deleting = git[:1] == ["rm"] or words[0].casefold() in _DELETING
    return deleting and any(map(is_test_place, (git or words)[1:]))


def _edited(words: list[str]) -> Iterator[str]:
    """Yield the files with code that a command changes: `sed -i`, `perl -i`, a redirection, `tee`."""
    in_place = words[0] in {"sed", "gsed", "perl"} and any(word[:2] in {"-i", "-p"} and "i" in word for word in words[1:])
    if in_place or words[0] == "tee":
        yield from (word for word in words[1:] if "." in word and is_code(word) and not word.startswith("-"))
    yield from (found[1].strip(_QUOTES) for found in _REDIRECTED.finditer(" ".join(words)) if is_code(found[1].strip(_QUOTES)))
