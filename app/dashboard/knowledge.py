"""The page "Knowledge": counts, recent items, unanswered questions; a search and its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import get_args
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from app import clock
from app.dashboard import formatting
from app.dashboard.live import mark_of
from app.dashboard.page_route import DataPageRoute
from app.dashboard.state import state_of
from app.dashboard.visitor import PATH, Visitor, visitor
from app.errors import InvalidInput, NotFound
from app.knowledge.answering.composed import Composed
from app.knowledge.item import KINDS, KNOWLEDGE_TYPES, Freshness, Quote
from app.knowledge.overview import RecentItem
from app.knowledge.results import Query, SearchResults, UnansweredQuestion
from app.services.administration import list_projects
from app.services.answers import begin_answer
from app.web.disconnects import unless_disconnected

WEEK = timedelta(days=7)
RECENT, QUESTIONS, PROJECTS = 20, 15, 12
FRESHNESS: tuple[Freshness, ...] = get_args(Freshness)
MAX_QUERY_CHARS = 1000

router = APIRouter(prefix=PATH, route_class=DataPageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart; `parts`: its items by freshness, in thousandths of the longest bar."""

    name: str
    items: int
    parts: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class KnowledgePage:
    """All that the page shows beside the search. `new`: items first learnt in the last week; `asked`: unanswered questions."""

    items: int
    passages: int
    new: int
    fresh_percent: int
    freshness: Sequence[tuple[str, int]]
    types: Sequence[Bar]
    projects: Sequence[Bar]
    more_projects: int
    recent: Sequence[tuple[RecentItem, str]]
    asked: Sequence[UnansweredQuestion]


@dataclass(frozen=True, slots=True)
class SearchForm:
    """The question in the search box, its results and its answer. `problem`: why it was refused, else empty."""

    text: str
    project: str
    type: str
    answer: SearchResults | None
    composed: Composed | None
    problem: str

    @property
    def degraded(self) -> Sequence[str]:
        return () if self.answer is None or self.composed is None else self.composed.degraded_with(self.answer.degraded)


@router.get("/knowledge")
async def overview(request: Request) -> Response:
    who = await visitor(request)
    mark = await mark_of(who, "knowledge", None)
    projects = {each.id: each.name for each in await list_projects(who.services, who.requester)}
    asked = await _asked(who, request)
    return await state_of(request).renderer.page(
        "knowledge.html",
        who,
        page=await load_knowledge(who, projects),
        asked=asked,
        projects=sorted(projects.values()),
        types=KNOWLEDGE_TYPES,
        source=lambda quote: source_of(who, quote),
        mark=mark,
    )


async def load_knowledge(who: Visitor, projects: dict[UUID, str]) -> KnowledgePage:
    """Load it. `projects`: the names of the team's projects, by id."""
    knowledge, team_id, since = who.services.knowledge, who.requester.team_id, clock.now() - WEEK
    counts = await knowledge.overview.count_items(list(projects)) if projects else []
    by_age: Counter[str] = Counter()
    by_type: dict[str, Counter[str]] = {}
    by_project: dict[str, Counter[str]] = {}
    for count in counts:
        by_age[count.freshness] += count.items
        by_type.setdefault(count.type, Counter())[count.freshness] += count.items
        by_project.setdefault(projects[count.project_id], Counter())[count.freshness] += count.items
    items = by_age.total()
    found = _bars(by_project)
    return KnowledgePage(
        items=items,
        passages=await knowledge.overview.count_passages(list(projects)) if projects else 0,
        new=await knowledge.overview.count_learnt_since(team_id, since),
        fresh_percent=formatting.percent(by_age["fresh"], items) if items else 0,
        freshness=[(each, by_age[each]) for each in FRESHNESS],
        types=_bars(by_type),
        projects=found[:PROJECTS],
        more_projects=len(found[PROJECTS:]),
        recent=[(each, projects.get(each.project_id, "")) for each in await knowledge.overview.recent(team_id, since, limit=RECENT)],
        asked=await knowledge.unanswered.most_frequent(team_id, limit=QUESTIONS),
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
    if not text:
        return SearchForm("", project, kind, None, None, "")
    query = Query(text=text, project=project or None)
    if kind in KINDS:
        query = replace(query, kinds=(kind,))
    elif kind:
        query = replace(query, types=(kind,))
    try:
        answer = await begin_answer(who.services, who.requester, query, may_write=_is_navigation(request))
    except (InvalidInput, NotFound) as error:
        return SearchForm(text, project, kind, None, None, error.message)
    composed = await (unless_disconnected(request, answer.compose()) if answer.asks_model else answer.compose())
    return SearchForm(text, project, kind, answer.found, composed, "")


def _is_navigation(request: Request) -> bool:
    """Tell whether a person opened this page from here. A refresh by script or another site's link must not pay for a model's answer."""
    return request.headers.get("sec-fetch-dest") == "document" and request.headers.get("sec-fetch-site") in {"same-origin", "none"}


def _bars(counts: dict[str, Counter[str]]) -> list[Bar]:
    """Make the bars, the longest first."""
    longest = max((each.total() for each in counts.values()), default=0)
    bars = [Bar(name, each.total(), [(age, formatting.permille(each[age], longest)) for age in FRESHNESS]) for name, each in counts.items()]
    return sorted(bars, key=lambda bar: (-bar.items, bar.name))
