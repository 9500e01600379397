"""Route that redacts secrets from a text. Stores nothing."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from app.api.schema import RequestBody, ResponseBody
from app.services.operations import take_out_secrets
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import Reader

router = APIRouter(prefix="/v1/redact", tags=["redaction"], route_class=AuthenticatedRoute)


class RedactBody(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "psql postgres://shop:hunter2-but-longer@db/shop"}]})

    text: str


class FindingReply(ResponseBody):
    """A secret that was found. `start` and `end` count characters (Unicode code points) of the text that was sent."""

    kind: str = Field(examples=["url-password"])
    start: int
    end: int


class RedactReply(ResponseBody):
    text: str = Field(examples=["psql postgres://shop:[REDACTED:url-password]@db/shop"])
    findings: list[FindingReply]


@router.post("", summary="Redact the secrets in a text; nothing is stored", responses=responses(400, 413))
async def redaction(caller: Reader, body: RedactBody) -> RedactReply:
    return RedactReply.model_validate(await take_out_secrets(caller, body.text))
