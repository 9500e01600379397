"""A ranked passage → what is shown: its title, its words with what stands around them, its citation."""

from __future__ import annotations

from app.clock import now
from app.knowledge.answer import Result
from app.knowledge.freshness import freshness
from app.knowledge.item import PASSAGE, Quote
from app.knowledge.passages import Ranked
from app.knowledge.ranking import DIGITS
from app.sessions.journal import CitedSession
from app.storage.tables import AnyRow

TITLE_CHARS, EXCERPT_CHARS = 120, 400
UNDATED = "aging"
"""Freshness of a passage whose time nobody knows: neither new nor old."""
VERBATIM = 1.0
"""Confidence of a passage: an item may have been distilled wrongly, a passage is what was said."""


def result(ranked: Ranked, row: AnyRow, *, session: CitedSession, project: str, explain: dict[str, object] | None) -> Result:
    """`row`: the passage with its newest place."""
    return Result(
        id=row.id,
        kind=PASSAGE,
        type=PASSAGE,
        title=_title(row, session),
        text=ranked.text,
        score=round(ranked.relevance, DIGITS),
        confidence=VERBATIM,
        freshness=UNDATED if row.at is None else freshness(row.at, now()),
        project=project,
        source=Quote(session.id, session.transcript, row.locator, beginning(row.text), row.at, session.branch, session.commit),
        created_at=row.at,
        evidence_count=row.places,
        explain=explain,
        places=ranked.places,
    )


def _title(row: AnyRow, session: CitedSession) -> str:
    """The heading; without one, what was asked there; before the first prompt, the session's title."""
    asked = row.text if row.role == "user" and row.kind == "said" else row.prompt
    return one_line(row.heading) or one_line(asked) or one_line(session.title or "") or session.transcript


def one_line(text: str) -> str:
    """The beginning of a text as a title."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1].rstrip() + "…"


def beginning(text: str) -> str:
    """The beginning of a passage, verbatim, cut between two words where it has any."""
    if len(text) <= EXCERPT_CHARS:
        return text
    cut = text[:EXCERPT_CHARS]
    end = max(cut.rfind(" "), cut.rfind("\n"))
    return cut[: end if end > EXCERPT_CHARS // 2 else EXCERPT_CHARS]
