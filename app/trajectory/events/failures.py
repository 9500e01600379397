"""Finds in a failed result the line that says what went wrong, and tells faults that are not the call's. Bounded; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

from app.trajectory.events.mentions import Mentions
from app.trajectory.events.normal import normal_text

MAX_READ_CHARS = 4_000
"""Characters read of a result: half from its end, where errors stand, then half from its beginning."""
MAX_LINES, MAX_LINE_CHARS, MAX_ERROR_CHARS = 120, 300, 200
MIN_WEAK_WORDS = 3
"""Words of a line that only names a failure somewhere; fewer are a list's member or a heading."""
_STRONG = re.compile(
    r"^(?:E\s{2,}|(?:npm )?ERR!|fatal\b|panic\b|thread '|FAIL(?:ED|URE)?\b|--- FAIL|\*\* \(|✗|✘|×|ENOENT\b|EACCES\b|\(?error\b|Error\b|ERROR\b|#+ \w*NoExactMatch)"
    r"|\b[A-Z]\w{0,60}(?:Error|Exception)\b|\b[Ee]rror(?:\[\w+\]| [A-Z]{1,4}\d+)?:"
    r"|command not found|not recognized as|No such file|does not exist|[Pp]ermission denied|did not conform|failed to match|[Uu]ndefined[: ]|[Cc]annot (?:find|open|create|resolve)"
)
_WEAK = re.compile(
    r"error|exception|fatal|panic|fail|cannot|can't|not found|no such|undefined|unknown|denied|refused|unable|invalid|missing|unexpected|expected|must be|ERR_|not a\b|rejected",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"(?:[.#@*<>+|]|//|--(?!- FAIL)|-\s|\d+\s?[→|:│]|(?:import|from|def|class|function|const|let|var|return|raise|throw|if|for|while|func|fn|pub|use|type|export|async|await|catch|except|try)\b)"
)
"""Openings of source code, a style sheet, mark-up, a diff or a numbered listing."""
_SOURCE_END, _VALUE_END = ("{", ";", "(", "[", "*/", "=>", "->"), ("}", ",")
"""Ends of a line of source code; and those of one that may be a value, too: an error in JSON."""
_TAG = re.compile(r"</?[\w-]{1,40}>")
_UNAVAILABLE = re.compile(
    r"\b(?:429|50[0234]|529)\b.{0,60}(?:error|too many|limit|unavailable|overloaded|gateway|timeout)|too many requests|rate.?limit(?:ed|s? exceeded| reached|ing)|retry-after:|HTTP/[\d.]+ (?:429|50[0234])"
    r"|overloaded|service unavailable|bad gateway|gateway time-?out"
    r"|connection (?:reset|closed|aborted|timed out|error)|ECONNRESET|ETIMEDOUT|EAI_AGAIN|APIConnectionError|InternalServerError"
    r"|(?:request|handshake|read|network|gateway|connect\w{0,20}|fetch|socket)\W{0,3}\w{0,20} ?time[d ]? ?-?out|temporary failure|network is unreachable|could not resolve host|socket hang up",
    re.IGNORECASE,
)
_FAILED_CHECK = re.compile(
    r"^(?:FAIL(?:ED|URES?!?)?\b|--- FAIL\b|E {2,}\S|not ok \d|# fail [1-9]|npm (?:ERR!|error)|error: (?:could not compile|test failed|aborting due to))"
    r"|\btest result: FAILED\b|\bBUILD FAIL(?:URE|ED)\b|\berror TS\d"
    r"|(?:^[ \t=✖✗✘×*-]*|[,(:][ \t]*|\bFound )[1-9]\d{0,6} (?:tests? |examples? |specs? )?(?:failed|failures?|failing|errors?)\b(?! \(\d+ fixed, 0 remaining)"
    r"|(?:^[ \t=-]*|[,(;-][ \t]*)(?:[Ff]ailed|[Ff]ailures?|[Ee]rrors?) ?[:=][ \t]*[1-9]",
    re.MULTILINE,
)
"""Summaries and results of runners of tests and of static checks that failed. A log that names an error somewhere is none."""
_FAILING_WORDS = ("fail", "error", "npm err", "not ok", "e  ")
"""Words without which the pattern matches nothing."""
_MENTIONED = Mentions(
    {
        "unavailable": (
            *(
                "429",
                "500",
                "502",
                "503",
                "504",
                "529",
                "too many requests",
                "limit",
                "retry-after:",
                "overloaded",
                "unavailable",
                "bad gateway",
            ),
            *("connection ", "econnreset", "etimedout", "eai_again", "apiconnectionerror", "internalservererror", "temporary failure"),
            *("network is unreachable", "could not resolve host", "socket hang up"),
            *(f"time{''.join(between)}out" for between in product(("", "d", " "), ("", " "), ("", "-"))),
        )
    }
)
"""Words of which `_UNAVAILABLE` needs one."""
_OUTSIDE = re.compile(
    r"permission denied|access denied|not authori[sz]ed|unauthori[sz]ed|authentication (?:failed|required)|not logged in|log ?in required|please (?:log|sign) ?in|\b40[13]\b.{0,30}(?:forbidden|unauthori[sz]ed)|forbidden"
    r"|command not found|not recognized as an internal|spawn\w* .{0,200}ENOENT|ENOENT.{0,60}spawn|no such tool|tool .{0,60} (?:not found|not available|is disabled)|is not installed|not connected|is not running|no space left"
    r"|quota (?:exceeded|is used up)|insufficient (?:credits?|quota|permissions?|scopes?)|billing|requires? (?:approval|permission|authentication|elevation)|haven't granted|operation not permitted|read-only file system",
    re.IGNORECASE,
)


def error_of(output: str) -> str:
    """Return the line of a failed result that says what went wrong, normalised; else its last line that isn't source code; or nothing."""
    half = MAX_READ_CHARS // 2
    parts = [output[-half:].splitlines()[-MAX_LINES:]]
    if len(output) > half:
        parts.append(output[:half].splitlines()[:MAX_LINES])
    weak = last = ""
    for part in parts:
        for line in _lines(part):
            if len(line.split()) > 1 and _STRONG.search(line):
                return normal_text(line)[:MAX_ERROR_CHARS]
            if line.endswith(_VALUE_END):
                continue
            if not weak and _WEAK.search(line) and len(line.split()) >= MIN_WEAK_WORDS:
                weak = line
        last = last or next((line for line in reversed(list(_lines(part))) if not line.endswith(_VALUE_END)), "")
    return normal_text(weak or last)[:MAX_ERROR_CHARS]


def is_unavailable(output: str) -> bool:
    """Tell whether a failure is a service's: rate limit, server error, lost connection. The same call may succeed later."""
    end = output[-MAX_READ_CHARS // 2 :]
    return bool(_MENTIONED.in_text(end)) and _UNAVAILABLE.search(end) is not None


def tells_failed_check(output: str) -> bool:
    """Tell whether the output of tests or a static check says that it failed, in a runner's own form."""
    end = output[-MAX_READ_CHARS // 2 :]
    folded = end.casefold()  # looking for words is far cheaper than for the pattern, and most checks pass
    return any(word in folded for word in _FAILING_WORDS) and _FAILED_CHECK.search(end) is not None


def is_outside(text: str) -> bool:
    """Tell whether an error says that something from outside is needed: a permission, a login, an installed tool, room, money."""
    return _OUTSIDE.search(text) is not None


def _lines(part: Sequence[str]) -> Iterator[str]:
    """Yield the lines that may be a message: not source code, not a heading without letters."""
    for raw in part:
        line = _TAG.sub("", raw[:MAX_LINE_CHARS]).strip()
        if any(map(str.isalpha, line)) and not line.endswith(_SOURCE_END) and (_SOURCE.match(line) is None or line.startswith("## ")):
            yield line
