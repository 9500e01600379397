"""Puts Cairn's hooks among those of an IDE's JSON, and takes out exactly these. Pure.

Claude Code and Codex hold groups of handlers by event (`{"hooks": [handler]}`), Cursor handlers by event.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from app.cli.ide.json_edits import append_element, read_at, remove_at
from app.cli.ide.stamps import IDES

AUTHORIZATION = "Bearer $CAIRN_KEY"
"""The header of a hook over HTTP: the IDE puts the key in, which stands in no file of it."""
_EVENT = re.compile(r"[a-z]+(?:-[a-z]+)*")
_ADDRESS = re.compile(rf"https?://[^/?#\s]+/v1/hooks/(?:{'|'.join(sorted(IDES))})")
_WINDOWS_WORD = re.compile(r'"([^"]*)"|([^\s"&|<>^]+)')


def is_ours(handler: Any) -> bool:
    """Tell whether a handler is one that `cairn connect` wrote, of this version or another: by all that it runs, not by a part of it."""
    if not isinstance(handler, dict):
        return False
    if "url" in handler:
        headers = handler.get("headers")
        known = isinstance(headers, dict) and headers.get("Authorization") == AUTHORIZATION
        return known and isinstance(handler["url"], str) and _ADDRESS.fullmatch(handler["url"]) is not None
    command, arguments = handler.get("command"), handler.get("args")
    if not isinstance(command, str):
        return False
    if arguments is None:
        return any(_runs_hook(words) for words in _shell_words(command))
    return isinstance(arguments, list) and all(isinstance(each, str) for each in arguments) and _runs_hook([command, *arguments])


def _shell_words(line: str) -> Iterator[list[str]]:
    """Yield the words of a line that is written exactly as `shell_line` writes them, for either kind of shell."""
    with suppress(ValueError):
        if shlex.join(words := shlex.split(line)) == line:
            yield words
    words = [quoted or bare for quoted, bare in _WINDOWS_WORD.findall(line)]
    if subprocess.list2cmdline(words) == line:
        yield words


def _runs_hook(words: list[str]) -> bool:
    """Tell whether words run `cairn hook EVENT [--ide IDE]`, and nothing else."""
    match arguments_of(words):
        case ["hook", event, *rest]:
            return _EVENT.fullmatch(event) is not None and (not rest or _names_ide(rest))
    return False


def arguments_of(words: list[str]) -> list[str] | None:
    """Return what words give to `cairn`, of this version or another; None: they run something else."""
    match words:
        case [python, "-P", "-m", "app.cli", *rest] | [python, "-m", "app.cli", *rest]:
            return rest if _is_absolute(python) else None
        case ["cairn" | "cairn.exe", *rest]:
            return rest
        case [program, *rest] if _is_absolute(program) and re.split(r"[\\/]", program)[-1] in {"cairn", "cairn.exe"}:
            return rest
    return None


def _names_ide(words: list[str]) -> bool:
    return len(words) == 2 and words[0] == "--ide" and words[1] in IDES


def _is_absolute(program: str) -> bool:
    return PurePosixPath(program).is_absolute() or PureWindowsPath(program).is_absolute()


def with_hooks(text: str, wanted: Mapping[str, Mapping[str, Any]], *, prune: Callable[[str, tuple[str, ...]], str]) -> str:
    """Put an entry at each event, and take out ours that differ or stand elsewhere."""
    text = _without(text, wanted, prune)
    for event, entry in wanted.items():
        if not any(_entry_is_ours(each) for each in _entries(text, event)):
            text = append_element(text, ["hooks", event], dict(entry))
    return text


def without_hooks(text: str, *, prune: Callable[[str, tuple[str, ...]], str]) -> str:
    """Take out every handler of ours; what that leaves empty goes with it."""
    return _without(text, {}, prune)


def _without(text: str, kept: Mapping[str, Mapping[str, Any]], prune: Callable[[str, tuple[str, ...]], str]) -> str:
    hooks = read_at(text, ["hooks"])
    removed = False
    for event in hooks if isinstance(hooks, dict) else ():
        entries, seen = _entries(text, event), False
        for number in reversed(range(len(entries))):
            entry = entries[number]
            if entry == kept.get(event) and not seen:
                seen = True
                continue
            for path in _ours_within(event, number, entry):
                text, removed = remove_at(text, path), True
        if removed:
            text = prune(text, ("hooks", event))
    return prune(text, ("hooks",)) if removed else text


def _ours_within(event: str, number: int, entry: Any) -> list[list[str | int]]:
    """Return what to remove of an entry: all of it, or handlers of ours in a group with others', the last first."""
    if _entry_is_ours(entry):
        return [["hooks", event, number]]
    handlers = entry.get("hooks") if isinstance(entry, dict) else None
    ours = [at for at, each in enumerate(handlers if isinstance(handlers, list) else ()) if is_ours(each)]
    return [["hooks", event, number, "hooks", at] for at in reversed(ours)]


def _entry_is_ours(entry: Any) -> bool:
    handlers = entry.get("hooks") if isinstance(entry, dict) else None
    return all(is_ours(each) for each in handlers) if isinstance(handlers, list) and handlers else is_ours(entry)


def _entries(text: str, event: str) -> list[Any]:
    found = read_at(text, ["hooks", event])
    return found if isinstance(found, list) else []
