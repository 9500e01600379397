"""The page "Knowledge": counts, recent items, unanswered questions; a search and its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from app import clock
from app.dashboard import formatting
from app.dashboard.filtering import address
from app.dashboard.live import mark_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import InvalidInput, NotFound
from app.knowledge.answering.composed import Composed
from app.knowledge.item import AGE_BANDS, KINDS, KNOWLEDGE_TYPES, AgeBand, Quote
from app.knowledge.overview import KnowledgeOverview, RecentItem
from app.knowledge.results import Query, SearchResults, UnansweredQuestion
from app.services.answers import begin_answer
from app.trajectory.intent import INTENTS
from app.web import spreadsheet
from app.web.disconnects import unless_disconnected

ITEMS = f"{PATH}/knowledge/items"
WEEK = timedelta(days=7)
RECENT, QUESTIONS, PROJECTS = 20, 15, 12
AGES: dict[AgeBand, str] = {
    "under_30_days": "under 30 days old",
    "30_to_90_days": "30 to 90 days",
    "90_to_180_days": "90 to 180 days",
    "over_180_days": "over 180 days",
}
"""The words of each age, the youngest first."""
MAX_QUERY_CHARS = 1000

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart. `parts`: the lengths of its items by age, the youngest first, in thousandths of the longest bar.

    `url`: the list of its items.
    """

    name: str
    items: int
    parts: Sequence[int]
    url: str


@dataclass(frozen=True, slots=True)
class KnowledgePage:
    """All that the page shows beside the search. `new`: items first learnt in the last week; `asked`: unanswered questions.

    `recent_percent`: of the items, those in the youngest band; `ages`: the items by age, in words; `new_url`: the list of the new ones.
    """

    items: int
    passages: int
    new: int
    recent_percent: int
    ages: Sequence[tuple[str, int]]
    types: Sequence[Bar]
    projects: Sequence[Bar]
    more_projects: int
    recent: Sequence[tuple[RecentItem, str]]
    asked: Sequence[UnansweredQuestion]
    new_url: str


@dataclass(frozen=True, slots=True)
class SearchForm:
    """The question in the search box, its results and its answer. `problem`: why it was refused, else empty."""

    text: str
    project: str
    type: str
    intent: str
    answer: SearchResults | None
    composed: Composed | None
    problem: str

    @property
    def degraded(self) -> Sequence[str]:
        return () if self.answer is None or self.composed is None else self.composed.degraded_with(self.answer.degraded)


@router.get("/knowledge")
async def overview(request: Request) -> Response:
    who = await visitor(request)
    mark = await mark_of(who, "knowledge")
    asked = await _asked(who, request)
    since = clock.now() - WEEK
    found = await who.services.knowledge.overview.read(who.requester, since=since, recent=RECENT, questions=QUESTIONS)
    return await state_of(request).renderer.page(
        "knowledge.html",
        who,
        page=page_of(who, found, since),
        asked=asked,
        projects=sorted(found.projects.values()),
        types=KNOWLEDGE_TYPES,
        intents=INTENTS,
        source=lambda quote: source_of(who, quote),
        mark=mark,
    )


@router.get("/knowledge.csv")
async def table(request: Request) -> Response:
    """Export how many items there are, by project, type and age: the figures of the page."""
    who = await visitor(request)
    found = await who.services.knowledge.overview.read(who.requester, since=clock.now() - WEEK, recent=0, questions=0)
    rows = sorted((found.projects[each.project_id], each.type, AGE_BANDS.index(each.age), each.items) for each in found.counts)
    lines = [spreadsheet.line([project, type_, AGE_BANDS[age], items]) for project, type_, age, items in rows]
    return spreadsheet.file("knowledge.csv", spreadsheet.line(["project", "type", "age", "items"]) + "".join(lines))


def page_of(who: Visitor, overview: KnowledgeOverview, since: datetime) -> KnowledgePage:
    """Make the page's figures. `since`: from when on an item is new."""
    projects = overview.projects
    by_age: Counter[str] = Counter()
    by_type: dict[str, Counter[str]] = {}
    by_project: dict[str, Counter[str]] = {}
    for count in overview.counts:
        by_age[count.age] += count.items
        by_type.setdefault(count.type, Counter())[count.age] += count.items
        by_project.setdefault(projects[count.project_id], Counter())[count.age] += count.items
    items = by_age.total()
    bars = _bars(who, "project", by_project)
    return KnowledgePage(
        items=items,
        passages=overview.passages,
        new=overview.new,
        recent_percent=formatting.percent(by_age["under_30_days"], items) if items else 0,
        ages=[(words, by_age[each]) for each, words in AGES.items()],
        types=_bars(who, "type", by_type),
        projects=bars[:PROJECTS],
        more_projects=len(bars[PROJECTS:]),
        recent=[(each, projects.get(each.project_id, "")) for each in overview.recent],
        asked=overview.unanswered,
        new_url=address(who, ITEMS, since=str(since.date())),
    )


def source_of(who: Visitor, quote: Quote) -> str:
    """Return a citation's URL: its place in the session, or the item that a person recorded."""
    if quote.session_id is None:
        return f"{PATH}/knowledge/items/{quote.locator}{who.team_query}"
    query = {"at": quote.locator, **({"team": who.requester.team} if who.team_query else {})}
    return f"{PATH}/sessions/{quote.session_id}?{urlencode(query)}#cited"


async def _asked(who: Visitor, request: Request) -> SearchForm:
    text = request.query_params.get("q", "").strip()[:MAX_QUERY_CHARS]
    project, kind = request.query_params.get("project", "")[:200], request.query_params.get("type", "")[:100]
    intent = request.query_params.get("intent", "")[:100]
    if not text:
        return SearchForm("", project, kind, intent, None, None, "")
    query = Query(text=text, project=project or None, intents=(intent,) if intent else ())
    if kind in KINDS:
        query = replace(query, kinds=(kind,))
    elif kind:
        query = replace(query, types=(kind,))
    try:
        answer = await begin_answer(who.services, who.requester, query, may_write=_is_navigation(request))
    except (InvalidInput, NotFound) as error:
        return SearchForm(text, project, kind, intent, None, None, error.message)
    composed = await (unless_disconnected(request, answer.compose()) if answer.asks_model else answer.compose())
    return SearchForm(text, project, kind, intent, answer.found, composed, "")


def _is_navigation(request: Request) -> bool:
    """Tell whether a person opened this page from here. A refresh by script or another site's link must not pay for a model's answer."""
    return request.headers.get("sec-fetch-dest") == "document" and request.headers.get("sec-fetch-site") in {"same-origin", "none"}


def _bars(who: Visitor, filter_: str, counts: dict[str, Counter[str]]) -> list[Bar]:
    """Make the bars, the longest first. `filter_`: the filter of the list of items that their names are values of."""
    longest = max((each.total() for each in counts.values()), default=0)
    bars = [
        Bar(name, each.total(), [formatting.permille(each[age], longest) for age in AGES], address(who, ITEMS, **{filter_: name}))
        for name, each in counts.items()
    ]
    return sorted(bars, key=lambda bar: (-bar.items, bar.name))
