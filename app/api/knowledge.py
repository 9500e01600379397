"""Knowledge: ask, read, delete. Every text in a reply was said in some session: quoted and untrusted, and marked as such."""

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
    note_bill,
)
from app.api.schema import Citation, Plain, ProjectName, RequestBody, ResponseBody, Untrusted
from app.errors import InvalidInput
from app.knowledge.answer import MAX_FILE_CHARS, MAX_FILES, MAX_TOKENS, MIN_TOKENS, Answer, Query, Result
from app.knowledge.answering.composed import Composed
from app.knowledge.item import KINDS, Freshness, Intent, Kind, KnowledgeType
from app.knowledge.reader import ShownItem, ShownPassage
from app.services.answers import begin_answer
from app.web import cache_control
from app.web.authenticated_route import AuthenticatedRoute
from app.web.disconnects import EventStream, unless_disconnected
from app.web.errors import responses
from app.web.requester import DEVELOPER_HEADER, Caller, TheServices, services_of

router = APIRouter(prefix="/v1/knowledge", tags=["knowledge"], route_class=AuthenticatedRoute)

ASKING = (
    "A question that was asked before is answered from memory until the knowledge it covers has changed (`x-cairn-cache`: `memory`, `redis`"
    " or `miss`). `Cache-Control: no-cache` asks for a new answer, `no-store` for one that isn't kept. With `mode: answer` a model may"
    " write (`knowledge.answer_model`): the developer behind the key pays, or the one whom an admin names in `x-cairn-developer`. With"
    " `stream` its answer comes as server-sent events: a `sentence` each, then the whole reply."
)
Origin = Annotated[
    Literal["extracted", "recorded"], Field(description="Learnt from sessions, or written down by a person, who is believed more.")
]


EXAMPLES: list[JsonDict] = [
    {"query": "ECONNREFUSED in the payment tests", "project": "shop", "limit": 3},
    {
        "query": "why did we choose NATS over Kafka?",
        "prefer_project": "shop",
        "kinds": ["passage"],
        "files": ["services/events/publish.py"],
        "since": "2026-01-01T00:00:00Z",
        "max_tokens": 800,
    },
]


class QueryBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [*EXAMPLES]})

    query: Plain = Field(min_length=1, description="A question, an error message, a symbol; at most `knowledge.max_query_chars`.")
    project: ProjectName | None = Field(None, description="Only this project.")
    prefer_project: ProjectName | None = Field(None, description="This project's items first, without hiding the others.")
    types: list[KnowledgeType] = Field(default_factory=list, max_length=12, description="Only items of these types; empty: everything.")
    kinds: list[Kind] = Field(
        [*KINDS], min_length=1, max_length=2, description="`item`: what was learnt, distilled. `passage`: what was said, verbatim."
    )
    files: list[Annotated[Plain, Field(min_length=1, max_length=MAX_FILE_CHARS)]] = Field(
        default_factory=list, max_length=MAX_FILES, description="What is open in the IDE: what speaks of these files comes first."
    )
    since: datetime | None = Field(None, description="Only what was said then or later. Without a time zone: UTC.")
    until: datetime | None = Field(None, description="Only what was said before.")
    limit: int = Field(10, strict=True, ge=1, le=1000, description="At most `knowledge.max_limit`.")
    max_tokens: int | None = Field(
        None, strict=True, ge=MIN_TOKENS, le=MAX_TOKENS, description="Of all results' texts together; by default `knowledge.max_tokens`."
    )
    mode: Literal["search", "answer"] = Field("search", description="`answer`: also the few sentences that answer, cited.")
    stream: bool = Field(False, strict=True, description="With `mode: answer`: server-sent events.")
    min_score: float | None = Field(None, strict=True, ge=0, le=1, description="Instead of the server's own thresholds.")
    explain: bool = Field(False, strict=True, description="Say how each score came about.")


class ResultReply(ResponseBody):
    id: UUID
    kind: Kind
    type: KnowledgeType | Literal["passage"]
    title: str = Field(description="A passage's heading; without one, what was asked there, or the session's title.")
    text: str = Field(description="An item's own; of a passage, the passage with what stands around it in its session.")
    score: float = Field(
        description=(
            "0 to 1; what `min_score` is compared with. A passage's: the probability that it answers. An item's: its relevance, weighed by"
            " confidence, freshness, people's feedback and project; what a person wrote weighs a tenth more."
        )
    )
    confidence: float = Field(description="That an item was distilled rightly. A passage is quoted, not distilled: 1.")
    freshness: Freshness = Field(description="By age, `aging` where no time is known; `stale` also where people say so.")
    project: str
    source: Citation
    evidence_count: int = Field(description="In how many places this was learnt, or said.")
    created_at: datetime | None = Field(None, description="When it was first learnt, or last said. Absent: no time is known.")
    untrusted: Untrusted = True
    explain: dict[str, Any] | None = None


class AnswerReply(ResponseBody):
    """Both kinds, best first; items take their own quota. Nothing relevant: an empty list, and `abstained`.

    `degraded` names the parts that were away while this was answered: `embeddings`, `vectors`; `model` was to write the answer and did not.
    """

    results: list[ResultReply]
    answer: ComposedReply | None = Field(None, description="With `mode: answer`.")
    tokens: int = Field(description="Of all results' texts together.")
    abstained: bool = Field(description="Nothing answers the question, though every part was asked.")
    took_ms: float
    degraded: list[str] = Field(examples=[[]])


class FeedbackCounts(ResponseBody):
    """Counts the people behind each verdict; of one person the latest verdict counts."""

    helpful: int
    wrong: int
    stale: int


class ItemReply(ResponseBody):
    id: UUID
    type: KnowledgeType
    intent: Intent | None
    title: str
    text: str
    confidence: float
    freshness: Freshness
    project: str
    evidence_count: int
    created_at: datetime
    last_seen_at: datetime
    origin: Origin
    paths: list[str] = Field(description="Files that it speaks of, where a person named some.")
    revision: str = Field(
        description="Of its wording; also the `etag`. Send it as `if-match` to correct only what was read.", examples=["9b1c0e44d2a7f350"]
    )
    corrected_at: datetime | None = Field(description="When a person last worded it anew; null: never.")
    feedback: FeedbackCounts
    hidden: bool = Field(description="Judged wrong by two people or by its author: no search finds it.")
    mine: bool = Field(description="Whether this key may correct and delete it.")
    untrusted: Untrusted = True
    evidence: list[Citation] = Field(description="Empty: a person wrote it down, and no session has taught it since.")


class PassageReply(ResponseBody):
    """A passage alone, without what stands around it: its places in their sessions tell that."""

    id: UUID
    kind: Literal["passage"] = "passage"
    type: Literal["passage"] = "passage"
    heading: str = Field(description="Above it in its message; empty where there was none.")
    text: str
    project: str
    evidence_count: int = Field(description="In how many places it was said.")
    untrusted: Untrusted = True
    evidence: list[Citation] = Field(description="The newest first; a hundred at most.")


@router.post(
    "/query",
    summary="Ask",
    description=ASKING,
    responses=responses(400, 413),
    response_model=AnswerReply,
    openapi_extra={"parameters": [DEVELOPER_HEADER]},
)
async def query(request: Request, caller: Caller, body: QueryBody) -> Response:
    if body.stream and body.mode != "answer":
        raise InvalidInput('Only an answer is streamed: send mode "answer", or leave stream out.', param="stream")
    asked = Query(
        text=body.query,
        project=body.project,
        prefer_project=body.prefer_project,
        types=tuple(body.types),
        kinds=tuple(dict.fromkeys(body.kinds)),
        files=tuple(body.files),
        since=body.since,
        until=body.until,
        limit=body.limit,
        max_tokens=body.max_tokens,
        min_score=body.min_score,
        explain=body.explain,
        cache=cache_control.wish(request),
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
    note_bill(request, answer)
    return Response(_written(answer.found, composed), media_type="application/json", headers=headers | bill_headers(composed.bill))


def _written(answer: Answer, composed: Composed | None) -> bytes:
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


@router.get("/{item_id}", summary="Read an item with all its evidence, or a passage with its places", responses=responses())
async def read(services: TheServices, caller: Caller, item_id: UUID, response: Response) -> ItemReply | PassageReply:
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
            "project": shown.project,
            "paths": list(item.paths),
            "revision": shown.revision,
            "feedback": {"helpful": item.helpful, "wrong": item.wrong, "stale": item.stale},
            "mine": shown.mine,
            "evidence": [Citation.of(quote) for quote in item.evidence],
        }
    )


ITEM_FIELDS = ("id", "type", "intent", "title", "text", "evidence_count", "created_at", "last_seen_at", "origin", "corrected_at", "hidden")


@router.delete(
    "/{item_id}",
    status_code=204,
    summary="Delete an item for good",
    description="Its author or an admin. Learning from the same sessions again, by whatever version, does not bring it back.",
    responses=responses(409),
    response_class=Response,
)
async def delete(services: TheServices, caller: Caller, item_id: UUID) -> None:
    await services.knowledge.writer.delete(caller, item_id)


def _passage(shown: ShownPassage) -> PassageReply:
    passage = shown.passage
    return PassageReply(
        id=passage.id,
        heading=passage.heading,
        text=passage.text,
        project=shown.project,
        evidence_count=passage.places,
        evidence=[Citation.of(quote) for quote in passage.quotes],
    )


def _result(result: Result) -> ResultReply:
    return ResultReply.model_validate(result)
