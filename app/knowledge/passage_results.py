"""Turns a ranked passage into a search result: its title, its text with the surrounding passages, its citation."""

from __future__ import annotations

from app.knowledge.item import PASSAGE, Quote
from app.knowledge.passages import Ranked
from app.knowledge.ranking import DIGITS
from app.knowledge.results import Replacement, Result
from app.sessions.session import CitedSession
from app.storage.tables import AnyRow

TITLE_CHARS, EXCERPT_CHARS = 120, 400
VERBATIM = 1.0
"""Confidence of a passage: it is quoted, where an item may have been distilled wrongly."""


def result(
    ranked: Ranked,
    row: AnyRow,
    *,
    session: CitedSession,
    project: str,
    explain: dict[str, object] | None = None,
    replaced_by: Replacement | None = None,
) -> Result:
    """Build the result. `row`: the passage with its newest place; `replaced_by`: what replaces an item whose words it holds."""
    return Result(
        id=row.id,
        kind=PASSAGE,
        type=PASSAGE,
        title=_title(row, session),
        text=ranked.text,
        score=round(ranked.relevance, DIGITS),
        confidence=VERBATIM,
        freshness="fresh",  # people judge items only
        project=project,
        source=Quote(session.id, session.transcript, row.locator, beginning(row.text), row.at, session.branch, session.commit),
        created_at=row.at,
        last_at=row.at,
        evidence_count=row.places,
        explain=explain,
        places=ranked.places,
        replaced_by=replaced_by,
    )


def _title(row: AnyRow, session: CitedSession) -> str:
    """Return the heading, else the prompt that the passage belongs to, else the session's title or its transcript's name."""
    asked = row.text if row.role == "user" and row.kind == "said" else row.prompt
    return one_line(row.heading) or one_line(asked) or one_line(session.title or "") or session.transcript


def one_line(text: str) -> str:
    """Return a text as one line, cut to TITLE_CHARS."""
    line = " ".join(text.split())
    if len(line) <= TITLE_CHARS:
        return line
    cut = line[: TITLE_CHARS - 1]
    word = cut.rfind(" ")  # of a language without spaces, or of one long word, what fits stays
    return (cut[:word] if word > TITLE_CHARS // 2 else cut).rstrip() + "…"


def beginning(text: str) -> str:
    """Return the beginning of a passage, verbatim, cut between two words where possible."""
    if len(text) <= EXCERPT_CHARS:
        return text
    cut = text[:EXCERPT_CHARS]
    end = max(cut.rfind(" "), cut.rfind("\n"))
    return cut[: end if end > EXCERPT_CHARS // 2 else EXCERPT_CHARS]
