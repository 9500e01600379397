"""Splits a command line into its commands, and tells those that only look at something. No parser of a shell: what it doesn't know, it leaves whole."""

from __future__ import annotations

import re
from functools import lru_cache

_COMMAND = re.compile(r"(?:'[^']*+'|\"(?:\\.|[^\"\\])*+\"|\\.|>&|&>|[^;&|\n'\"\\>]++|['\"\\>])++", re.DOTALL)
_QUOTED = re.compile(r"'[^']*+'|\"(?:\\.|[^\"\\])*+\"|\\.", re.DOTALL)
_INTO_FILE = re.compile(r"(?<![0-9&=-])>{1,2}\s*(?!/dev/null|&|\s)")
_LOOKING = re.compile(
    r"\s*(?:#|(?:(?:sudo|time|command)\s+|\w+=\S*\s+)*(?:cd|pwd|ls|echo|printf|cat|head|tail|less|more|sed\s+-n|[ef]?grep|rg|ag|ack|find|fd|curl|wget|bat|wc|sort|uniq|"
    r"cut|tr|awk|jq|tree|which|type|file|stat|diff|man|git\s+(?:-C\s+\S+\s+)?(?:show|log|diff|status|grep|blame|add|commit|tag|push|fetch))(?=\s|$))"
)
_REMOVING = re.compile(r"\b(?:rm|rmdir|unset|uninstall|remove|revert|restore|reset)\b|\bgit\s+(?:checkout|stash)\b")
_SUBSTITUTION = re.compile(
    r"(?<![\w])s(?P<by>[/|#,@!~])(?P<old>(?:\\.|(?!(?P=by))[^\n])*+)(?P=by)(?P<new>(?:\\.|(?!(?P=by))[^\n])*+)(?P=by)"
)
_DELETED_LINES = re.compile(r"/(?P<old>(?:\\.|[^/\n\\])++)/d\b")
_STREAM_EDITOR = re.compile(r"\b(?:sed|perl)\b")
_ENTERED = re.compile(r"^\s*(?:cd\s+\S+\s*(?:&&|;)\s*)+")
_FURTHER = re.compile(r"(?<![|>])\|(?!\|)|\|\||;|\n|(?<![>&])&\s*$|\bset \+e\b")
"""A pipe, an alternative, a further command, the background: the exit code is another command's."""


@lru_cache(maxsize=64)
def commands_of(line: str) -> tuple[str, ...]:
    """Return the commands of a line that are joined by `;`, `&&`, `||`, a pipe or a line's end; what is quoted stays together.

    All that looks at an event asks for the same line, one after another.
    """
    return tuple(command for found in _COMMAND.finditer(line) if (command := found[0].strip()))


def only_looks(command: str) -> bool:
    """Tell whether one command prints, searches or records what is there and changes nothing of it."""
    return _LOOKING.match(command) is not None and _INTO_FILE.search(_QUOTED.sub("", command)) is None


def hides_exit_code(line: str) -> bool:
    """Tell whether a line's exit code may be another command's than that of its first after `cd`: it has a pipe, an alternative or a list."""
    return _FURTHER.search(_QUOTED.sub("", _ENTERED.sub("", line)).strip()) is not None


def change_of(command: str) -> tuple[str, str]:
    """Return what one command, which doesn't only look, takes out and what it writes."""
    if _STREAM_EDITOR.search(command):
        old = [found["old"] for found in (*_SUBSTITUTION.finditer(command), *_DELETED_LINES.finditer(command))]
        return "\n".join(old), _DELETED_LINES.sub(" ", _SUBSTITUTION.sub(lambda found: f" {found['new']} ", command))
    return (command, "") if _REMOVING.search(_QUOTED.sub("", command)) else ("", command)
