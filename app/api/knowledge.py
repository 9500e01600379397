"""Routes of knowledge: query, read, delete. Every text in a reply comes from a session: quoted, untrusted, and marked as such."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from app.api.answers import (
    ComposedReply,
    answer_events,
    bill_headers,
    composed_reply,
    record_bill,
)
from app.api.freshness import CodeMarkReply
from app.api.item_relations import ContradictingItemReply, LinkedItemReply, ReplacementReply, SubjectReply
from app.api.item_standing import AGE, FRESHNESS, STANDING, FeedbackCounts, UseReply
from app.api.periods import Moment, check_period
from app.api.schema import Citation, Plain, ProjectName, RequestBody, ResponseBody, Untrusted
from app.errors import InvalidInput
from app.knowledge.answering.composed import Composed
from app.knowledge.item import KINDS, Freshness, Kind, KnowledgeType, Standing
from app.knowledge.reader import ShownItem, ShownPassage
from app.knowledge.results import MAX_FILE_CHARS, MAX_FILES, MAX_TOKENS, MIN_TOKENS, Query, Result, SearchResults
from app.services.answers import begin_answer
from app.storage.matching import MAX_WORDS_CHARS
from app.trajectory.intent import Intent
from app.web import cache_control
from app.web.authenticated_route import AuthenticatedRoute
from app.web.disconnects import unless_disconnected
from app.web.errors import responses
from app.web.event_streams import EventStream
from app.web.requester import DEVELOPER_HEADER, Reader, TheServices, services_of

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=AuthenticatedRoute)

ASKING = (
    "Results are cached until the knowledge behind them changes (`x-cairn-cache`: `memory`, `redis` or `miss`). `Cache-Control: no-cache`"
    " bypasses the cache, `no-store` also leaves the result out of it. With `mode: answer` a model may write the answer, if the setting"
    " `knowledge.answer_model` names one: the key's developer pays or, with the admin key, the one named in `x-cairn-developer`. With"
    " `stream` the answer comes as server-sent events: an event for each `sentence`, then the whole reply."
)
Origin = Annotated[
    Literal["extracted", "recorded"], Field(description="`extracted` from sessions, or `recorded` by a person, which ranks higher.")
]


EXAMPLES: list[JsonDict] = [
    {"query": "ECONNREFUSED in the payment tests", "project": "shop", "limit": 3},
    {
        "query": "why did we choose NATS over Kafka?",
        "prefer_project": "shop",
        "kinds": ["passage"],
        "files": ["services/events/publish.py"],
        "intents": ["feature-dev", "exploration"],
        "since": "2026-01-01T00:00:00Z",
        "max_tokens": 800,
    },
]


class QueryBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [*EXAMPLES]})

    query: Plain = Field(
        min_length=1, description="A question, an error message or a symbol, of at most `knowledge.max_query_chars` characters."
    )
    project: ProjectName | None = Field(None, description="Only this project.")
    prefer_project: ProjectName | None = Field(None, description="Rank this project's items higher, without hiding the others.")
    types: list[KnowledgeType] = Field(
        default_factory=list, max_length=12, description="Only items of these types. Empty: all items, and passages."
    )
    intents: list[Intent] = Field(
        default_factory=list,
        max_length=8,
        description="Only what comes from exchanges whose prompt has one of these intents, as classified or corrected; an item by the"
        " places of its evidence, so none that a person recorded without any. Empty: all.",
    )
    kinds: list[Kind] = Field(
        [*KINDS], min_length=1, max_length=2, description="`item`: distilled knowledge. `passage`: what was said, verbatim."
    )
    files: list[Annotated[Plain, Field(min_length=1, max_length=MAX_FILE_CHARS)]] = Field(
        default_factory=list, max_length=MAX_FILES, description="Files that are open in the IDE: results that mention them rank higher."
    )
    subject: Plain = Field(
        "",
        max_length=MAX_WORDS_CHARS,
        description="Only items about this file, symbol, setting, tool, service or ticket, or with all these words; no passages.",
    )
    since: Moment | None = Field(None, description="Only what was said at this time or later. Without a time zone: UTC.")
    until: Moment | None = Field(None, description="Only what was said before this time.")
    limit: int = Field(
        10, strict=True, ge=1, le=1000, description="Maximum number of results; the setting `knowledge.max_limit` bounds it."
    )
    max_tokens: int | None = Field(
        None,
        strict=True,
        ge=MIN_TOKENS,
        le=MAX_TOKENS,
        description="Maximum tokens of all results' texts together. Default: the setting `knowledge.max_tokens`.",
    )
    mode: Literal["search", "answer"] = Field("search", description="`answer`: also answer in a few sentences, with citations.")
    stream: bool = Field(False, strict=True, description="Stream the answer as server-sent events. Only with `mode: answer`.")
    min_score: float | None = Field(
        None, strict=True, ge=0, le=1, description="Lowest score of a result. Default: the server's thresholds."
    )
    explain: bool = Field(False, strict=True, description="Add to each result how its score was calculated.")


class ResultReply(ResponseBody):
    id: UUID
    kind: Kind
    type: KnowledgeType | Literal["passage"]
    title: str = Field(description="Of a passage: its heading, else the question asked there, else the session's title.")
    text: str = Field(description="Of a passage: with the text around it in its session.")
    score: float = Field(
        description=(
            "0 to 1; compared with `min_score`. Of a passage: the probability that it answers the query. Of an item: its"
            " relevance, weighted"
            " by confidence, age, feedback and project; an item that a person recorded counts a tenth more."
        )
    )
    confidence: float = Field(description="Confidence that the item says what its session said. Of a passage: 1.")
    freshness: Freshness = Field(description=FRESHNESS)
    age_days: int | None = Field(None, description="Days since it was last said, learnt or corrected. Absent if unknown.")
    project: str
    source: Citation
    evidence_count: int = Field(description="Number of places where it was learnt or said.")
    created_at: datetime | None = Field(None, description="When an item was first learnt, or a passage last said. Absent if unknown.")
    replaced_by: ReplacementReply | None = Field(
        None,
        description="The later item that says that this no longer holds; of a passage, an item whose words it holds."
        " Absent if none does, or none did before `until`.",
    )
    contradicts: list[UUID] | None = Field(
        None, description="Items of its project that can't hold beside it, until a person decides: at most 20, the latest. Absent if none."
    )
    like: list[UUID] | None = Field(
        None, description="Near-copies of one matter that this one stands for, the best first: not among the results. Absent if none."
    )
    standing: list[Standing] | None = Field(None, description=STANDING)
    untrusted: Untrusted = True
    explain: dict[str, Any] | None = Field(None, description="How the score was calculated, if `explain` was sent.")


class AnswerReply(ResponseBody):
    """Results of both kinds, the best first; each kind has its own share of the places."""

    results: list[ResultReply]
    answer: ComposedReply | None = Field(None, description="Only with `mode: answer`.")
    tokens: int = Field(description="Tokens of all results' texts together.")
    abstained: bool = Field(description="Nothing relevant was found, with every part of the search available.")
    took_ms: float
    degraded: list[str] = Field(
        description="Parts that were unavailable: `embeddings`, `vectors`, or `model`, which should have written the answer.", examples=[[]]
    )


class ItemReply(ResponseBody):
    id: UUID
    type: KnowledgeType
    intent: Intent | None
    title: str
    text: str
    confidence: float
    freshness: Freshness = Field(description=FRESHNESS)
    age_days: int = Field(description=AGE)
    project: str
    evidence_count: int
    created_at: datetime = Field(description="When it was first said, or recorded.")
    learnt_at: datetime = Field(description="When Cairn learnt it.")
    last_seen_at: datetime
    origin: Origin
    paths: list[str] = Field(description="Files that it is about, as a person named them.")
    subjects: list[SubjectReply] = Field(description="What it is about, by its words and its sessions. `subject` finds it by these names.")
    replaced_by: list[LinkedItemReply] = Field(
        description="Later items that say that this one no longer holds, the latest first. POST …/restore undoes that."
    )
    replaces: list[LinkedItemReply] = Field(description="Earlier items that this one says no longer hold, the latest first.")
    contradicts: list[ContradictingItemReply] = Field(
        description="Items of its project that can't hold beside it: the latest 20. POST …/contradictions/{other_id} decides."
    )
    standing: list[Standing] = Field(description=STANDING)
    revision: str = Field(
        description="Version of its wording, with which the `etag` begins. Send either as `if-match` so that a correction fails if"
        " somebody else was faster.",
        examples=["9b1c0e44d2a7f350"],
    )
    corrected_at: datetime | None = Field(description="When a person last corrected it; null: never.")
    feedback: FeedbackCounts
    used: UseReply
    code: list[CodeMarkReply] = Field(description="What became of the code that it speaks of: the last check in each repository.")
    distilled: bool = Field(
        description="Whether a model worded it, of what its evidence quotes. Else its words are a session's, or those of the person who"
        " recorded or corrected it."
    )
    hidden: bool = Field(description="Whether two people or its author judged it wrong, or a lead retired it: then no search finds it.")
    retired: bool = Field(description="Whether a lead retired it. POST …/restore brings it back.")
    mine: bool = Field(description="Whether this key may correct and delete it.")
    untrusted: Untrusted = True
    evidence: list[Citation] = Field(description="Where it was said. Empty if a person recorded it and no session confirms it.")


class PassageReply(ResponseBody):
    """A passage without the text around it, which its places in sessions show."""

    id: UUID
    kind: Literal["passage"] = "passage"
    type: Literal["passage"] = "passage"
    heading: str = Field(description="The heading above it in its message; empty if there is none.")
    text: str
    project: str
    evidence_count: int = Field(description="Number of places where it was said.")
    used: UseReply
    untrusted: Untrusted = True
    evidence: list[Citation] = Field(description="Those places, the newest first, at most 100.")


@router.post(
    "/query",
    summary="Query what the team has said and learnt",
    description=ASKING,
    responses=responses(400, 413),
    response_model=AnswerReply,
    openapi_extra={"parameters": [DEVELOPER_HEADER]},
)
async def query(request: Request, caller: Reader, body: QueryBody) -> Response:
    if body.stream and body.mode != "answer":
        raise InvalidInput('stream needs mode "answer": send that, or leave stream out.', param="stream")
    check_period(body.since, body.until)
    asked = Query(
        text=body.query,
        project=body.project,
        prefer_project=body.prefer_project,
        types=tuple(body.types),
        intents=tuple(dict.fromkeys(body.intents)),
        kinds=tuple(dict.fromkeys(body.kinds)),
        files=tuple(body.files),
        subject=body.subject,
        since=body.since,
        until=body.until,
        limit=body.limit,
        max_tokens=body.max_tokens,
        min_score=body.min_score,
        explain=body.explain,
        cache=cache_control.cache_mode(request),
    )
    services = services_of(request)
    if body.mode == "search":
        found = await services.knowledge.reader.search(caller, asked)
        return Response(_written(found, None), media_type="application/json", headers={"x-cairn-cache": found.cache})
    answer = await begin_answer(services, caller, asked)
    headers: dict[str, str] = {"x-cairn-cache": answer.found.cache}
    if body.stream:
        events = answer_events(request, answer, lambda composed: _written(answer.found, composed))
        return EventStream(events, headers, unread=events.aclose)
    composed = await (unless_disconnected(request, answer.compose()) if answer.asks_model else answer.compose())
    record_bill(request, answer)
    return Response(_written(answer.found, composed), media_type="application/json", headers=headers | bill_headers(composed.bill))


def _written(answer: SearchResults, composed: Composed | None) -> bytes:
    """Serialize the reply here: FastAPI would validate it a second time, on the busiest route of plugins."""
    degraded = list(answer.degraded if composed is None else composed.degraded_with(answer.degraded))
    found = AnswerReply(
        results=[_result(result) for result in answer.results],
        answer=None if composed is None else composed_reply(composed),
        tokens=answer.tokens,
        abstained=answer.abstained,
        took_ms=answer.took_ms,
        degraded=degraded,
    )
    return found.model_dump_json(exclude_none=True).encode()


@router.get("/{item_id}", summary="Show an item with its evidence, or a passage with its places", responses=responses())
async def read(services: TheServices, caller: Reader, item_id: UUID, response: Response) -> ItemReply | PassageReply:
    found = await services.knowledge.reader.read(caller, item_id)
    if isinstance(found, ShownPassage):
        return _passage(found)
    response.headers["etag"] = f'"{found.revision}"'
    return item_reply(found)


def item_reply(shown: ShownItem) -> ItemReply:
    """Return an item as every route shows it."""
    item = shown.item
    return ItemReply.model_validate(
        {name: getattr(item, name) for name in ITEM_FIELDS}
        | {
            "confidence": round(item.confidence, 3),
            "freshness": shown.freshness,
            "age_days": shown.age_days,
            "project": shown.project,
            "paths": list(item.paths),
            "subjects": [SubjectReply(kind=each.kind, name=each.name) for each in item.subjects],
            "replaced_by": [LinkedItemReply(**each._asdict()) for each in item.replaced_by],
            "replaces": [LinkedItemReply(**each._asdict()) for each in item.replaces],
            "contradicts": [ContradictingItemReply(**each._asdict()) for each in item.contradicts],
            "standing": list(item.standing),
            "revision": shown.revision,
            "feedback": {"helpful": item.helpful, "wrong": item.wrong, "stale": item.stale},
            "used": UseReply(accepted=item.used, refused=item.refused),
            "code": [CodeMarkReply.of(mark) for mark in item.code],
            "mine": shown.can_delete,
            "evidence": [Citation.of(quote) for quote in item.evidence],
        }
    )


ITEM_FIELDS = (
    "id", "type", "intent", "title", "text", "evidence_count",
    "created_at", "learnt_at", "last_seen_at", "origin", "corrected_at", "distilled", "hidden", "retired",
)  # fmt: skip


@router.delete(
    "/{item_id}",
    status_code=204,
    summary="Delete an item permanently",
    description="For its author, a lead or an admin. Reading its sessions again, even with a newer version of Cairn, doesn't restore it.",
    responses=responses(409),
    response_class=Response,
)
async def delete(services: TheServices, caller: Reader, item_id: UUID) -> None:
    await services.knowledge.writer.delete(caller, item_id)


def _passage(shown: ShownPassage) -> PassageReply:
    passage = shown.passage
    return PassageReply(
        id=passage.id,
        heading=passage.heading,
        text=passage.text,
        project=shown.project,
        evidence_count=passage.places,
        used=UseReply(accepted=passage.uses.used, refused=passage.uses.refused),
        evidence=[Citation.of(quote) for quote in passage.quotes],
    )


def _result(result: Result) -> ResultReply:
    return ResultReply.model_validate(result)
