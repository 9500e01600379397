"""Bugs with their cause and their fix, as the agent said them; the error as the tools or the person showed it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.knowledge.extraction.candidate import Found
from app.knowledge.extraction.exchanges import Exchange
from app.knowledge.extraction.memory import Memory
from app.knowledge.extraction.noise import is_dangling, is_noise, names_something
from app.knowledge.extraction.prose import Statement

MOST = 2
LEAST_CHARS = 50
_CAUSE = re.compile(
    r"^(?:root )?cause: |\b(?:root cause (?:is|was|here)|(?:the|actual|real|underlying) (?:problem|issue|bug|culprit|reason|failure|error) (?:is|was|here is|lies|occurs|happens|comes|stems)|caused by|"
    r"(?:fails?|failed|failing|breaks?|broke|crash(?:es|ed)?|hangs?|error(?:s|ed)?|panics?|happens|occurs|missing|empty|wrong|ignored|skipped) (?:because|since|due to|when)|is because|was because|due to (?:the|a|an)|"
    r"(?:wasn't|weren't|isn't|aren't|didn't|doesn't|was not|were not|is not|did not|does not) \w+(?:\s\w+){0,6} because)\b"
    r"|问题(?:是|在于|出在)|原因(?:是|在于)|根本原因|是因为|由于",
    re.IGNORECASE,
)
_FIX = re.compile(
    r"^(?:the )?(?:fix|solution): |\b(?:fix(?:ed|es)?(?: (?:is|was|this|it|that))?(?: by| to)|the (?:fix|solution) (?:is|was)|solution:|resolved by|solved by|to (?:fix|resolve|solve) (?:this|it|the)|"
    r"(?:i(?:'ve| have)?|we(?:'ve| have)?) (?:fixed|changed|updated|replaced|added|removed|switched|moved|renamed|modified|made)|(?:changed|replaced|switched|updated|moved|renamed) .{3,80} (?:to|with|from|into)|"
    r"(?:should|must|need(?:s)? to) (?:be|use|add|call|set|pass|include))\b|解决(?:方法|方案|办法)?|修复|改为|改成",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:(?:the )?(?:fix|solution)|(?:root )?cause)(?::| is| was) (?:to )?", re.IGNORECASE)
_HEADED = re.compile(r"\b(?:root cause|cause|problem|issue|bug|why it (?:fails|failed|broke))\b|原因|问题", re.IGNORECASE)
_HYPOTHESIS = re.compile(
    r"\b(?:suggests?|indicates?|all \d+|i need to|inverted|the \S+ one is|understood|documented|might|may be|maybe|could be|probably|possibly|perhaps|likely|i think|i suspect|seems|appears|if the|let me|let's|not sure|unclear)\b|可能|也许",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"^.{0,40}?((?:\w+(?:Error|Exception)|error(?:\[\w+\])?|panic|fatal|FAIL(?:ED)?|ERR_\w+|E\d{4})\b[:\s(].{8,160})",
    re.MULTILINE,
)


def find(exchange: Exchange, memory: Memory) -> Iterator[Found]:  # noqa: ARG001 - the rules' one signature
    """A cause that was said for certain, with the fix that followed it."""
    if exchange.ending == "corrected":
        return
    said = list(exchange.statements())
    made = 0
    for place, cause in enumerate(said):
        if made == MOST or not _is_cause(cause):
            continue
        fix = _fix_after(said, place)
        if fix is None and not exchange.changed_files and not cause.text.casefold().startswith(("root cause", "the root cause", "cause:")):
            continue
        text = _standing(cause)
        if text is None:
            continue
        made += 1
        if fix is not None:
            text += f" Fix: {_LABEL.sub('', fix.text)}"
        if (error := error_line(exchange)) and error.casefold() not in text.casefold():
            text = f"{error} Cause: {_LABEL.sub('', text)}"
        yield Found("fix", "bug_solution", cause, text, 0.65 if fix is not None else 0.55)


def error_line(exchange: Exchange) -> str:
    """The error that the person pasted, as far as it is one line."""
    found = _ERROR.search(exchange.asked[:6000])
    if found is None:
        return ""
    line = found[1].strip().rstrip("`")
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _is_cause(statement: Statement) -> bool:
    headed = _HEADED.search(statement.heading) is not None and statement.place > 0
    if not (_CAUSE.search(statement.text) or (headed and " because " in statement.text)):
        return False
    return (
        len(statement.text) >= LEAST_CHARS
        and not _HYPOTHESIS.search(statement.text)
        and not is_noise(statement.text)
        and names_something(statement.text)
    )


def _standing(statement: Statement) -> str | None:
    """The statement so that it stands by itself: with the one before it where it points back; None where even that points back."""
    if not is_dangling(statement.text):
        return statement.text
    if statement.before and not is_dangling(statement.before) and not is_noise(statement.before):
        return f"{statement.before} {statement.text}"
    return None


def _fix_after(said: list[Statement], place: int) -> Statement | None:
    for statement in said[place + 1 : place + 14]:
        if (
            _FIX.search(statement.text)
            and not is_noise(statement.text)
            and not is_dangling(statement.text)
            and not _HYPOTHESIS.search(statement.text)
        ):
            return statement
    return None
