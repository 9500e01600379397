"""Renders what tools tell, each to its token budget: as text for a model, within the marker, and as the tool's structured output. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from app.assist.quoting import cite, headline, inert, one_line, short_id, tokens_of, wrap
from app.clock import age_days, age_in_words
from app.freshness.wording import describe
from app.knowledge.item import PASSAGE, RECORDED, CodeMark, Quote
from app.knowledge.reader import ShownItem, ShownPassage
from app.knowledge.results import Result, SearchResults
from app.mcp.definitions import MAX_HIT_TOKENS
from app.tokens import first_tokens

LINE_CHARS = 200
HIT_CHARS = [*((chars, 60) for chars in range(LINE_CHARS, 39, -20)), (40, 30), (40, 12), (20, 12), (20, 6), (8, 6)]
"""Characters of a hit's line and of each name in it, the longest first: a hit with too many tokens takes the next."""
MAX_CITATIONS = 3
MAX_CONTRADICTING, MAX_CONTRADICTING_WHOLE = 1, 3
"""Contradicting items that a hit names, and that the whole item does, the latest first."""
EXCERPT_CHARS = 200
NOTHING = "Nothing that the team said or learnt answers this. Try other words, or an error text, file or symbol."


@dataclass(frozen=True, slots=True)
class Told:
    """A tool's result: for a model, and structured as its output schema says."""

    text: str
    structured: dict[str, Any] = field(default_factory=dict)


def render_hits(found: SearchResults, *, project: str | None, max_tokens: int) -> Told:
    """Render hits, the best first, as many as both forms hold within the budget."""
    hits: list[tuple[str, dict[str, Any]]] = []
    ids: list[UUID] = []
    spent = [tokens_of(wrap("", ())), tokens_of(_json({"results": [], "project": project, "degraded": list(found.degraded)}))]
    for result in found.results:
        line, entry = _hit(result, project)
        cost = [tokens_of(f"{line}\n {result.id}"), tokens_of(f"{_json(entry)},")]
        if max(have + more for have, more in zip(spent, cost, strict=True)) > max_tokens:
            break
        spent = [have + more for have, more in zip(spent, cost, strict=True)]
        hits.append((line, entry))
        ids.append(result.id)
    structured = {"results": [entry for _, entry in hits], "project": project, "degraded": list(found.degraded)}
    return Told(_hits_text([line for line, _ in hits], ids, project, found.degraded), structured)


def _hits_text(lines: Sequence[str], ids: Iterable[UUID], project: str | None, degraded: Sequence[str]) -> str:
    away = f" Incomplete: {', '.join(degraded)} unavailable; ask again later." if degraded else ""
    if lines:
        return wrap("\n".join(lines), ids) + (f"\n{away.strip()}" if away else "")
    where = f" in the project {one_line(project, 100)}: all_projects searches the team's others." if project else "."
    return f"{NOTHING.rstrip('.')}{where}{away}"


def _hit(result: Result, project: str | None) -> tuple[str, dict[str, Any]]:
    """Return a hit as a line and as its entry, neither above MAX_HIT_TOKENS."""
    said = result.source.excerpt if result.kind == PASSAGE else result.text
    for chars, name_chars in HIT_CHARS:
        cited = cite(result.source, chars=name_chars)
        entry: dict[str, Any] = {"id": str(result.id), "type": result.type, "title": headline(result.title, said, chars), "cited": cited}
        if result.project != project:
            entry["project"] = one_line(result.project, name_chars)
        if result.replaced_by is not None:
            entry["replaced_by"] = str(result.replaced_by.id)
        if result.contradicts:
            entry["contradicts"] = [str(each) for each in result.contradicts[:MAX_CONTRADICTING]]
        elsewhere = f"; project {entry['project']}" if "project" in entry else ""
        outdated = f"; replaced by [{short_id(result.replaced_by.id)}]" if result.replaced_by is not None else ""
        outdated += f"; contradicts [{short_id(result.contradicts[0])}]" if result.contradicts else ""
        line = f"- [{short_id(result.id)}] {result.type}: {entry['title']} ({entry['cited']}{elsewhere}{outdated})"
        if tokens_of(f"{line}\n {result.id}") <= MAX_HIT_TOKENS and tokens_of(f"{_json(entry)},") <= MAX_HIT_TOKENS:
            break
    return line, entry


@dataclass(frozen=True, slots=True)
class WholeItem:
    """An item or a passage as it is read. `title` of a passage: its heading."""

    id: UUID
    type: str
    title: str
    text: str
    project: str
    freshness: str | None
    last_at: datetime | None
    quotes: Sequence[Quote]
    code: str | None = None
    distilled: bool = False
    replaced_by: UUID | None = None
    contradicts: tuple[UUID, ...] = ()

    @classmethod
    def of(cls, shown: ShownItem | ShownPassage) -> WholeItem:
        if isinstance(shown, ShownPassage):
            passage = shown.passage
            return cls(passage.id, PASSAGE, passage.heading, passage.text, shown.project, None, _newest(passage.quotes), passage.quotes)
        item = shown.item
        quotes = item.evidence or (Quote(None, RECORDED, str(item.id), "", item.created_at),)
        return cls(
            item.id,
            item.type,
            item.title,
            item.text,
            shown.project,
            shown.freshness,
            item.last_seen_at,
            quotes,
            code=_code(item.code),
            distilled=item.distilled,
            replaced_by=item.replaced_by[0].id if item.replaced_by else None,
            contradicts=tuple(each.id for each in item.contradicts[:MAX_CONTRADICTING_WHOLE]),
        )


def _code(marks: Sequence[CodeMark]) -> str | None:
    """Say what changed or is gone, if anything is. A mark's names come from a repository: quoted."""
    told = next((each for each in marks if each.verdict in {"changed", "gone"}), None)
    return None if told is None else one_line(describe(told), LINE_CHARS)


def _newest(quotes: Sequence[Quote]) -> datetime | None:
    return max((quote.at for quote in quotes if quote.at is not None), default=None)


def render_whole(items: Sequence[WholeItem], missing: Sequence[str], *, max_tokens: int) -> Told:
    """Render items whole; where they don't all fit, each has its share of the budget, and says that it is cut."""
    left = max_tokens - tokens_of(wrap("", [each.id for each in items])) - sum(tokens_of(f'"{each}",') for each in missing)
    parts, structured = [], []
    for place, item in enumerate(items):
        share = left // (len(items) - place)
        text, entry = _whole(item, share)
        left -= max(tokens_of(text), tokens_of(_json(entry)))
        parts.append(text)
        structured.append(entry)
    lost = f"These ids don't exist in the team: {', '.join(missing)}. Search again." if missing else ""
    body = wrap("\n\n".join(parts), [each.id for each in items]) if items else ""
    return Told("\n".join(filter(None, (body, lost))), {"items": structured, "missing": list(missing)})


def _whole(item: WholeItem, max_tokens: int) -> tuple[str, dict[str, Any]]:
    cited = [cite(quote) for quote in item.quotes[:MAX_CITATIONS]]
    entry = {
        "id": str(item.id),
        "type": item.type,
        "title": one_line(item.title, LINE_CHARS),
        "text": "",
        "project": one_line(item.project, 100),
        "cited": cited,
        "cut": False,
    }
    if item.freshness is not None:
        entry["freshness"] = item.freshness
    if item.code is not None:
        entry["code"] = item.code
    if item.distilled:
        entry["distilled"] = True
    if item.last_at is not None:
        entry["age_days"] = age_days(item.last_at)
    if item.replaced_by is not None:
        entry["replaced_by"] = str(item.replaced_by)
    if item.contradicts:
        entry["contradicts"] = [str(each) for each in item.contradicts]
    room = max_tokens - max(tokens_of(_json(entry)), tokens_of(_whole_text(item, entry)))
    text = inert(item.text).strip()
    kept = first_tokens(text, max(0, room))
    while kept and tokens_of(_json(kept)) > room:  # JSON writes line breaks and quotation marks with more tokens
        kept = kept[: len(kept) * 9 // 10]
    entry |= {"text": kept, "cut": len(kept) < len(text)}
    return _whole_text(item, entry), entry


def _whole_text(item: WholeItem, entry: dict[str, Any]) -> str:
    age = f" · {age_in_words(entry['age_days'])}" if "age_days" in entry else ""
    stale = " · marked as out of date" if item.freshness == "stale" else ""
    stale += f" · replaced by {item.replaced_by}: read that one" if item.replaced_by is not None else ""
    stale += f" · contradicts {', '.join(map(str, item.contradicts))}: undecided, ask the person" if item.contradicts else ""
    code = f" · {item.code}" if item.code else ""
    worded = " · worded by a model, of what is cited" if item.distilled else ""
    cut = "\n[cut to the token budget: ask for this id alone, with a larger max_tokens]" if entry["cut"] else ""
    head = f"## [{short_id(item.id)}] {entry['title'] or item.type}\n{item.type} · project {entry['project']}{age}{stale}{code}{worded}"
    return f"{head} · {'; '.join(entry['cited'])}\n\n{entry['text']}{cut}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
