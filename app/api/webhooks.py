"""The route that a git host posts pushes to, signed as GitHub signs them: it starts a check against the code."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Header, Query, Request

from app.api.schema import Plain, ResponseBody
from app.errors import NotAuthenticated, NotFound
from app.web.authenticated_route import AuthenticatedRoute
from app.web.errors import responses
from app.web.requester import TheServices

GIT_PATH: Final = "/v1/webhooks/git"
MAX_SIGNATURE_CHARS: Final = 200

router = APIRouter(tags=["knowledge"], route_class=AuthenticatedRoute)


class WebhookReply(ResponseBody):
    state: Literal["queued"] = "queued"


@router.post(
    GIT_PATH,
    status_code=202,
    summary="Start a check against the code after a push",
    description=(
        "For a git host's webhook: needs no key, but the signature of its body with `freshness.webhook_secret`, as GitHub, Gitea and"
        " Forgejo send it. Only a project of `freshness.repositories` is checked, and nothing in the body counts. 404 where the server has"
        " no secret."
    ),
    responses=responses(400, 401, 413),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "examples": {"push": {"value": {}}}}}}},
)
async def git_pushed(
    services: TheServices,
    request: Request,
    project: Annotated[
        Plain, Query(min_length=1, max_length=300, description="The project, as `freshness.repositories` names it.", examples=["shop"])
    ],
    x_hub_signature_256: Annotated[
        str, Header(max_length=MAX_SIGNATURE_CHARS, description="`sha256=` and the HMAC of the body, in hexadecimal digits.")
    ] = "",
) -> WebhookReply:
    secret = services.settings.freshness.webhook_secret
    if secret is None:
        raise NotFound("Webhooks are off on this server: an admin turns them on with CAIRN_FRESHNESS__WEBHOOK_SECRET.")
    signed = f"sha256={hmac.new(secret.get_secret_value().encode(), await request.body(), sha256).hexdigest()}"
    if not hmac.compare_digest(signed.encode(), x_hub_signature_256.encode()):
        raise NotAuthenticated("The signature doesn't fit the body: enter the server's freshness.webhook_secret at the git host.")
    await services.knowledge.repository_checks.request(project)
    return WebhookReply()
