"""Decides who sees what was said in a session, and how much of it one page shows. Pure.

One's own sessions one always sees. Others' are seen by those with `read_prompts`, of sessions that began since their project shows prompts:
whoever began one before was not told that anybody would read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.accounts.requester import Requester
from app.sessions.browsing import EventPage
from app.sessions.event import Event
from app.sessions.session import Session

MARKUP: Final = "&<>\"'"
MARKUP_BYTES: Final = 4
"""Bytes that each of these grows by where it is escaped."""
PromptReason = Literal["own", "recorded", "role", "off", "before"]


@dataclass(frozen=True, slots=True)
class PromptAccess:
    """The decision whether a requester sees what was said in a session, with its reason.

    own: they sent it. recorded: they may read it, and each reading is recorded. role: their role reads no others' sessions. off: the
    project shows no prompts. before: it does, but this session began before, or nobody knows when. `since`: since when its project shows
    prompts; None: it shows none.
    """

    reason: PromptReason
    since: datetime | None

    @property
    def shown(self) -> bool:
        return self.reason in {"own", "recorded"}


def prompt_access(requester: Requester, session: Session, since: datetime | None) -> PromptAccess:
    """Decide whether a requester sees what was said in a session whose project shows prompts `since` then."""
    if session.is_by(requester.developer_id):
        return PromptAccess("own", since)
    if not requester.may("read_prompts"):
        return PromptAccess("role", since)
    if since is None:
        return PromptAccess("off", None)
    if session.started_at is None or min(session.started_at, session.created_at) < since:
        return PromptAccess("before", since)
    return PromptAccess("recorded", since)


def bounded(page: EventPage, *, max_bytes: int, around: int | None = None) -> EventPage:
    """Leave events out, from the end, or from both ends of the seq `around`, until their texts take `max_bytes` as HTML. One remains."""
    sizes = [_size(event) for _, event in page.events]
    if sum(sizes) <= max_bytes:
        return page
    middle = next((place for place, (seq, _) in enumerate(page.events) if seq == around), 0)
    first = last = middle
    left = max_bytes - sizes[middle]
    while True:
        after = last + 1 if last + 1 < len(sizes) and sizes[last + 1] <= left else None
        before = first - 1 if first > 0 and sizes[first - 1] <= left else None
        if after is not None:
            last, left = after, left - sizes[after]
        elif before is not None:
            first, left = before, left - sizes[before]
        else:
            break
    kept: Sequence[tuple[int, Event]] = page.events[first : last + 1]
    return EventPage(kept, earlier=page.earlier or first > 0, later=page.later or last + 1 < len(sizes))


def _size(event: Event) -> int:
    texts = [event.text, *((event.tool.input or "", event.tool.output or "") if event.tool else ())]
    return sum(len(text.encode("utf-8", "replace")) + MARKUP_BYTES * sum(text.count(each) for each in MARKUP) for text in texts)
