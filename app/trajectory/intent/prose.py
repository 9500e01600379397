"""Parts a prompt into what a person says in it and what was pasted: logs, stack traces, code, quotes. Bounded; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CHARS = 4_000
"""Characters of a prompt that are read."""
MAX_LINES = 120
HEAD_CHARS = 190
TAIL_CHARS = 70
"""Characters of what is said that are embedded: a wish stands at the beginning or at the end. Twice as many tell no more (0075)."""
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_TRACE = re.compile(
    r"\s*(?:Traceback \(most recent|File \"[^\"]{1,200}\", line \d|at [\w$.<>]{1,120} ?\(|goroutine \d|panic:|thread '[^']{1,80}' panicked|Caused by:|-{3} FAIL|FAILED\b|FATAL\b|FAIL\b"
    r"|\w{0,60}(?:Error|Exception|Warning)\b(?:\[\w{1,12}\])?:|error(?:\[\w{1,12}\]|:)|\[?(?:ERROR|WARN)\b|npm ERR!|E {3}|fatal:|Segmentation fault|undefined reference)",
)
_LOG = re.compile(
    r"\s*(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:|\[?\d\d:\d\d:\d\d|\[?(?:INFO|DEBUG|TRACE)\b|[\w./-]{1,120}:\d{1,6}(?::\d{1,6})?:|\d{1,6}\s?\||[-+]{3} [ab]/|@@ |diff --git)"
)
_COMMAND = re.compile(r"\s*(?:\$|>>>|❯|PS [A-Z]:\\)\s?\S")
_CODE = re.compile(
    r"\s*(?:def \w|class \w+[:({]|func \w|function \w|import \w[\w.]*;?$|from \w[\w.]* import|const \w|let \w+ =|var \w+ =|return\b.{0,80};$|#include|public |private |[})\]]+[;,)]*$|</?\w[^>]{0,80}>$)|.{0,200}[{;]$"
)


@dataclass(frozen=True, slots=True)
class PromptProse:
    """A prompt in parts. `said`: what the person says; of a prompt that is pasted whole, its beginning. `trace`, `log`, `code`, `quoted`,
    `commands`: lines of each kind. `items`: entries of lists, `headings`: headings. `chars`: length of the prompt.
    """

    said: str
    lines: int
    trace: int = 0
    log: int = 0
    code: int = 0
    quoted: int = 0
    commands: int = 0
    items: int = 0
    headings: int = 0
    chars: int = 0

    @property
    def embedded(self) -> str:
        """Return the text whose vector stands for the prompt."""
        if len(self.said) <= HEAD_CHARS + TAIL_CHARS:
            return self.said
        return f"{self.said[:HEAD_CHARS]} {self.said[-TAIL_CHARS:]}"


def prose_of(prompt: str) -> PromptProse:
    """Part a prompt."""
    counts = dict.fromkeys(("trace", "log", "code", "quoted", "commands", "items", "headings"), 0)
    lines = prompt[:MAX_CHARS].splitlines()[:MAX_LINES]
    said: list[str] = []
    fenced = False
    for line in lines:
        if _FENCE.match(line):
            fenced = not fenced
            continue
        kind = _kind(line, fenced=fenced)
        if kind in counts:
            counts[kind] += 1
        if kind in {"", "items", "headings"} and line.strip():
            said.append(line.strip())
    text = " ".join(said) or " ".join(prompt[: HEAD_CHARS + TAIL_CHARS].split())
    return PromptProse(text, len(lines), chars=len(prompt), **counts)


def _kind(line: str, *, fenced: bool) -> str:
    if _TRACE.match(line):
        return "trace"
    if fenced or _CODE.match(line):
        return "code"
    if _LOG.match(line):
        return "log"
    if _COMMAND.match(line):
        return "commands"
    start = line.lstrip()[:4]
    if start.startswith(">"):
        return "quoted"
    if start.startswith("#"):
        return "headings"
    return "items" if start[:2] in {"- ", "* ", "1.", "2.", "3."} else ""
