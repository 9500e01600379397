"""Groups a session's events into exchanges: the prompt, what was done, and how the next prompt judged it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from app.knowledge.extraction.gloss import gloss
from app.knowledge.extraction.memory import SessionMemory
from app.knowledge.extraction.shell import SHELL_TOOL, commands_of, only_looks
from app.sessions.event import Event

Ending = Literal["accepted", "corrected", "open"]

MAX_EVENTS = 2_000
"""Events of one exchange; an agent that works for hours without a prompt is read in parts."""
MAX_READ_CHARS = 40_000
MAX_VERDICT_CHARS = 600
_READ = re.compile(r"read|view|fetch|search|grep|glob|cat|open_file", re.IGNORECASE)
READ_COMMAND = re.compile(
    r"\s*(?:(?:sudo|time|command)\s+)*(?:cat|head|tail|less|more|nl|tac|type|get-content|gc|sed\s+-n|awk|grep|rg|ag|curl|wget|bat|jq|yq|git\s+(?:-C\s+\S+\s+)?(?:show|log|diff))\b",
    re.IGNORECASE,
)
"""A command that prints what somebody wrote before."""
_SERVED_TOOL = re.compile(r"cairn", re.IGNORECASE)
_SERVED_INPUT = re.compile(r"/v1/knowledge/query|\bcairn (?:query|mcp)\b")
EDIT_TOOL = re.compile(r"edit|write|patch|create_?file|replace|insert|notebook", re.IGNORECASE)
_ACCEPTED = re.compile(
    r"\s*(?:thanks|thank you|thx|great|perfect|awesome|nice|excellent|lgtm|looks good|look good|good (?:job|work|stuff)|works|it works|that works|worked|ship it|"
    r"commit|push|merge|cool|love it|well done|beautiful|yes[,.!]? (?:that|this|it|perfect|great))",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"\s*(?:no[,. !]|not\s*[,.!，、،。]|nope|wrong|that's (?:wrong|not|incorrect)|that is (?:wrong|not|incorrect)|this is (?:wrong|not|incorrect)|not (?:what|quite|right|correct|working)|still (?:fails|failing|broken|not|getting|the same|doesn)|"
    r"it (?:still|doesn't|does not|didn't)|doesn't work|does not work|didn't work|revert|undo|roll ?back|you (?:didn't|did not|missed|forgot|broke|removed|misunderstood|got it wrong)|why did you|"
    r"stop|incorrect|i (?:didn't|did not) (?:ask|want|mean))",
    re.IGNORECASE,
)
_TEST_COMMAND = re.compile(
    r"\b(?:pytest|go test|cargo (?:test|nextest)|npm (?:run )?test|pnpm (?:run )?test|yarn test|vitest|jest|mocha|rspec|phpunit|mvn test|gradle\w* test|ctest|tox|mise run test|make (?:test|check))\b"
)


@dataclass(slots=True)
class Exchange:
    """One prompt and all that followed until the next. `prompt` is None for what comes before the first."""

    prompt: Event | None
    events: list[Event] = field(default_factory=list)
    ending: Ending = "open"
    verdict: str = ""
    """The beginning of the person's next prompt."""

    @property
    def replies(self) -> list[Event]:
        return [event for event in self.events if event.kind == "reply" and not event.sidechain]

    @property
    def tools(self) -> list[Event]:
        return [event for event in self.events if event.kind == "tool" and event.tool is not None]

    @property
    def changed_files(self) -> bool:
        return any(event.tool is not None and EDIT_TOOL.search(event.tool.name) and event.outcome == "ok" for event in self.tools)

    @property
    def tests_passed(self) -> bool:
        """True where the exchange's last test run succeeded."""
        runs = [event.outcome for event in self.tools if runs_tests(event)]
        return bool(runs) and runs[-1] == "ok"

    @property
    def asked(self) -> str:
        return self.prompt.text if self.prompt is not None else ""


def exchanges(events: Iterable[Event], memory: SessionMemory) -> Iterator[Exchange]:
    """Group events into exchanges; each is yielded once the next prompt, or the end, has shown how it ended."""
    current = Exchange(None)
    for event in events:
        if mark_sources(event, memory):
            continue
        if event.kind == "prompt" and not event.sidechain:
            current.ending, current.verdict = ending(event.text), event.text[:MAX_VERDICT_CHARS]
            yield current
            current = Exchange(event)
        elif event.kind != "thinking":
            current.events.append(event)
            if len(current.events) >= MAX_EVENTS:
                yield current
                current = Exchange(current.prompt)
    yield current


def mark_sources(event: Event, memory: SessionMemory) -> bool:
    """Remember what an event brought in from a file, a notice or Cairn. Return True if Cairn served it: then it is no part of the session."""
    if event.kind == "tool" and event.tool is not None and _is_served(event):
        memory.mark_known(event.tool.output)
        return True
    if event.kind == "notice":
        memory.mark_known(event.text[:MAX_READ_CHARS])
    elif event.tool is not None and (_READ.search(event.tool.name) or reads(event.tool.input)):
        memory.mark_known(event.tool.output[:MAX_READ_CHARS])
    return False


def ending(next_prompt: str) -> Ending:
    """Classify the person's next prompt as an acceptance or a correction of what was done before it."""
    head = gloss(next_prompt[:200])
    if _CORRECTED.match(head):
        return "corrected"
    return "accepted" if _ACCEPTED.match(head) else "open"


def reads(line: str) -> bool:
    """Tell whether a command line prints files, pages or history, alone or beside other commands."""
    return any(READ_COMMAND.match(command) for command in commands_of(line))


def runs_tests(event: Event) -> bool:
    """Tell whether an event runs tests: a text that is written or searched may name their command as well."""
    tool = event.tool
    if tool is None or SHELL_TOOL.search(tool.name) is None or _TEST_COMMAND.search(tool.input) is None:
        return False
    return any(_TEST_COMMAND.search(command) and not only_looks(command) for command in commands_of(tool.input))


def _is_served(event: Event) -> bool:
    assert event.tool is not None
    return bool(_SERVED_TOOL.search(event.tool.name) or _SERVED_INPUT.search(event.tool.input[:2000]))
