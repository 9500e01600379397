"""Routes of intents: classify a prompt, show and correct the intent of a prompt in a session."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from app.api.live import GenericEvent, given_event
from app.api.schema import RequestBody, ResponseBody
from app.services.classification import Classification, classify
from app.trajectory.intent import Intent, PromptIntent
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader, TheServices

router = APIRouter(prefix="/v1", tags=["sessions"], route_class=AuthenticatedRoute)

Activity = Literal["exploring", "planning", "implementing", "debugging", "testing", "documenting", "refactoring", "reviewing"]
Health = Literal["on_track", "off_track", "stuck", "blocked"]
PromptSeq = Annotated[int, Path(ge=1, lt=2**31, description="The place of the prompt among the session's events, from 1.", examples=[3])]


class ClassifyBody(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "The checkout answers 500 for an empty basket. Find out why."},
                {"text": "yes, do that", "context": "The parser works now. Shall I write tests for it?"},
            ]
        }
    )

    text: str = Field("", description="The prompt. May be empty where `events` are given. Its first 4,000 characters are read.")
    context: str = Field("", description="The end of the reply before it. A prompt that only agrees is read by what was offered there.")
    events: list[GenericEvent] = Field(default=[], description="The events of a stretch, for its activity and health.")


class IntentShare(ResponseBody):
    """An intent with its confidence: the probability that it is the right one."""

    intent: Intent = Field(examples=["debugging"])
    confidence: float = Field(examples=[0.91])


class ClassifyReply(ResponseBody):
    """The reading. `intents`: the two best. Without a text there is no intent; activity and health need events."""

    intent: Intent | None = Field(examples=["debugging"])
    intent_confidence: float | None = Field(examples=[0.91])
    intents: list[IntentShare]
    activity: Activity | None = Field(examples=["exploring"])
    health: Health | None = Field(examples=["on_track"])
    because: str | None = Field(
        description="The reason, in a sentence.", examples=["It says “500”. Nearest example: “the login page answers 500” (debugging)."]
    )


class IntentBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"intent": "refactoring"}]})

    intent: Intent


class PromptIntentReply(ResponseBody):
    """A prompt's intent. `told`: what the classifier told, `confidence` and `second` of that; null: it wasn't classified yet.

    A person's correction goes before it: `corrected_by`, `corrected_at`.
    """

    seq: int
    intent: Intent
    told: Intent | None
    confidence: float | None
    second: Intent | None
    second_confidence: float | None
    corrected_by: str | None = Field(examples=["ada"])
    corrected_at: datetime | None


@router.post("/classify", summary="Tell the intent of a prompt, and the activity and health of events", responses=responses(400, 413))
async def classification(services: TheServices, caller: Reader, body: ClassifyBody) -> ClassifyReply:
    events = [given_event(each) for each in body.events]
    return _reply(await classify(services, caller, body.text, context=body.context, events=events))


@router.get("/sessions/{session_id}/prompts/{seq}/intent", summary="Show the intent of a prompt", responses=responses(404))
async def show_intent(services: TheServices, caller: Reader, session_id: UUID, seq: PromptSeq) -> PromptIntentReply:
    return _shown(await services.trajectory.intents.correcting.show(caller, session_id, seq))


@router.put(
    "/sessions/{session_id}/prompts/{seq}/intent",
    summary="Correct the intent of a prompt",
    description="Of one's own sessions; a lead or an admin also of others'. Every correction is recorded with its author. The team's"
    " classifier is then fitted anew in the background, and used only if it does better on corrections that it hasn't seen.",
    responses=responses(400, 403, 404),
)
async def correct_intent(services: TheServices, caller: Reader, session_id: UUID, seq: PromptSeq, body: IntentBody) -> PromptIntentReply:
    return _shown(await services.trajectory.intents.correcting.correct(caller, session_id, seq, body.intent))


def _reply(done: Classification) -> ClassifyReply:
    told, stretch = done.intent, done.stretch
    return ClassifyReply.model_validate(
        {
            "intent": None if told is None else told.intent,
            "intent_confidence": None if told is None else told.confidence,
            "intents": [] if told is None else [{"intent": intent, "confidence": share} for intent, share in told.likeliest],
            "activity": None if stretch is None else stretch.activity,
            "health": None if stretch is None else stretch.health,
            "because": done.because,
        }
    )


def _shown(found: PromptIntent) -> PromptIntentReply:
    return PromptIntentReply.model_validate(found)
