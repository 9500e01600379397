"""Routes of keys: who a key belongs to, and a developer's own keys; for admins everybody's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field, StringConstraints

from app import __version__
from app.accounts.requester import DeveloperRole, Permission
from app.accounts.views import CreatedKey, KeyState
from app.api.budgets import Usd, nanousd_of, optional_usd
from app.api.expiry import Expires
from app.api.listing import DEFAULT_LIMIT, MAX_LIMIT
from app.api.schema import REVISION, AccountName, NamedDeveloper, Plain, RequestBody, ResponseBody
from app.inference.allowed_models import MAX_ENTRIES, MAX_ENTRY_CHARS
from app.services import keys, people
from app.storage.pages import PageWanted
from app.web.authenticated_route import AuthenticatedRoute
from app.web.entity_tags import KnownRevision, revision_tag
from app.web.errors import responses
from app.web.idempotent import ONCE_SECRET
from app.web.paging import NextCursor, Page
from app.web.requester import Admin, Reader, TheServices

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=AuthenticatedRoute)


Models = Annotated[
    list[Annotated[str, StringConstraints(max_length=MAX_ENTRY_CHARS)]],
    Field(
        max_length=MAX_ENTRIES,
        description="Names of models as a request may write them, patterns with `*` such as `anthropic/*`, and names of chains (`auto`)."
        " Any other model is refused with 403, and a chain that isn't named asks only those of its providers that are. Null: every model.",
        examples=[["auto", "anthropic/*"]],
    ),
]
LIMIT = (
    "What the calls with this key may spend a month, besides the developer's budget. Null: no limit of its own. A lower one than is spent"
    " already is kept: no call is granted until the month ends."
)


class KeyBody(RequestBody):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "laptop", "expires": "90d", "monthly_limit_usd": 2, "models": ["anthropic/*"]}]}
    )

    name: AccountName | None = Field(
        None, description="Unique among the developer's active keys. Default: today's date.", examples=["laptop"]
    )
    expires: Expires | None = None
    monthly_limit_usd: Usd | None = Field(None, description=LIMIT)
    models: Models | None = None


class KeyChangeBody(RequestBody):
    """Changes of a key. A field that is absent stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_limit_usd": 2}, {"models": ["auto"]}]})

    monthly_limit_usd: Usd | None = Field(None, description=LIMIT)
    models: Models | None = None


class KeyReply(ResponseBody):
    """A new key. `key` is returned this once; only its hash is stored."""

    id: UUID
    key: str
    name: str = Field(examples=["laptop"])
    lookup: str = Field(description="The key's public part, which identifies it.", examples=["k3f9x2ab7q1m"])
    expires_at: datetime | None
    monthly_limit_usd: float | None = Field(description="Null: no limit of its own.", examples=[2.0])
    models: Sequence[str] | None = Field(description="All that it may ask for. Null: every model.", examples=[["anthropic/*"]])


class StoredKeyReply(ResponseBody):
    """A key without its secret."""

    id: UUID
    name: str = Field(examples=["laptop"])
    lookup: str = Field(description="The key's public part: it begins `cairn_LOOKUP_`.", examples=["k3f9x2ab7q1m"])
    developer: str = Field(examples=["ada"])
    state: KeyState
    created_at: datetime
    last_used_at: datetime | None = Field(description="To within a minute. Null: never.")
    revision: str = Field(description=f"Changes with all of this but its use. {REVISION}", examples=["1f3c9a22b0d54e77"])
    expires_at: datetime | None = Field(description="Null: never.")
    revoked_at: datetime | None
    models: Sequence[str] | None = Field(description="All that it may ask for. Null: every model.", examples=[["anthropic/*"]])
    monthly_limit_usd: float | None = Field(description="Null: no limit of its own.", examples=[2.0])
    spent_usd: float | None = Field(description="By its calls this month. Null: not counted, since it has no limit.", examples=[0.41])
    held_usd: float | None = Field(description="Worst-case cost of its calls under way. Null: not counted.", examples=[0.02])
    renews_at: datetime = Field(description="When the month of the limit ends.")


class KeyList(ResponseBody):
    keys: list[StoredKeyReply]
    next_cursor: NextCursor


class MeReply(ResponseBody):
    """The owner of the request's key, and what it may."""

    developer: str | None = Field(description="Null: it is the admin key, which belongs to nobody.", examples=["ada"])
    team: str = Field(description="The team that the request acts for.", examples=["payments"])
    role: DeveloperRole
    permissions: Sequence[Permission]
    key: StoredKeyReply | None = Field(description="Null for the admin key.")
    shows_prompts: Sequence[str] = Field(
        description="Projects in which the team's leads, auditors and admins can read what is said in new sessions.", examples=[["shop"]]
    )
    server_version: str = Field(examples=["1.4.0"])


@router.get("/me", summary="Tell who asks", responses=responses())
async def me(services: TheServices, reader: Reader) -> MeReply:
    found = await people.whoami(services, reader)
    return MeReply(
        developer=found.developer,
        team=found.team,
        role=found.role,
        permissions=found.permissions,
        key=None if found.key is None else _stored(found.key),
        shows_prompts=found.shows_prompts,
        server_version=__version__,
    )


@router.post(
    "/developers/{name}/keys",
    status_code=201,
    summary="Create a key for a developer",
    description=(
        "The key is shown only once. A retry with the same `idempotency-key` creates no second key; the reply names the first one's id."
    ),
    dependencies=[ONCE_SECRET],
    responses=responses(400, 409, 413),
)
async def create_key(
    services: TheServices,
    admin: Admin,
    name: NamedDeveloper,
    body: KeyBody | None = None,
) -> KeyReply:
    given = body or KeyBody()
    limit = None if given.monthly_limit_usd is None else nanousd_of(given.monthly_limit_usd, "monthly_limit_usd")
    made = await keys.create_key(services, admin, name, name=given.name, expires=given.expires, limit_nanousd=limit, models=given.models)
    return key_reply(made)


@router.get(
    "/keys",
    summary="List keys",
    description="A developer sees their own keys, an admin all; newest first, without secrets.",
    responses=responses(),
)
async def list_keys(
    services: TheServices,
    reader: Reader,
    *,
    developer: Annotated[AccountName | None, Query(description="Only this developer's.")] = None,
    which: Annotated[
        Plain | None,
        Query(max_length=100, description="Only the key with this name, id or public part; or those whose public part begins so."),
    ] = None,
    ended: Annotated[bool, Query(description="Also list revoked and expired keys.")] = False,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    paging: Page,
) -> KeyList:
    wanted = PageWanted(limit, after=paging.after)
    page = await keys.list_keys(services, reader, wanted, developer=developer, which=which, ended=ended)
    return KeyList(keys=[_stored(each) for each in page.entries], next_cursor=paging.next_cursor(page.next))


@router.patch(
    "/keys/{key_id}",
    summary="Change a key's limit or models",
    description="For admins. A developer may lower the limit of a key of their own, or set one where there is none. A limit counts what the"
    " key has spent in this month already.",
    responses=responses(400, 409, 412, 413),
)
async def change_key(
    services: TheServices, reader: Reader, key_id: UUID, body: KeyChangeBody, known: KnownRevision, response: Response
) -> StoredKeyReply:
    given = body.model_fields_set
    limit = None if body.monthly_limit_usd is None else nanousd_of(body.monthly_limit_usd, "monthly_limit_usd")
    change = keys.KeyChange(limit, "monthly_limit_usd" in given, body.models, "models" in given)
    changed = _stored(await keys.change_key(services, reader, key_id, change, revision=known))
    response.headers["etag"] = revision_tag(changed.revision)
    return changed


@router.get(
    "/keys/{key_id}", summary="Show a key", description="One of one's own, to an admin any; its secret isn't kept.", responses=responses()
)
async def show_key(services: TheServices, reader: Reader, key_id: UUID, response: Response) -> StoredKeyReply:
    found = _stored(await keys.show_key(services, reader, key_id))
    response.headers["etag"] = revision_tag(found.revision)
    return found


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    summary="Revoke a key",
    description="A developer may revoke their own keys, an admin any. The key is refused from now on.",
    responses=responses(412),
    response_class=Response,
)
async def revoke_key(services: TheServices, reader: Reader, key_id: UUID, known: KnownRevision) -> None:
    await keys.revoke_key(services, reader, key_id, revision=known)


def key_reply(made: CreatedKey) -> KeyReply:
    """Show a key that was just made, this once with its secret."""
    return KeyReply(
        id=made.id,
        key=made.key,
        name=made.name,
        lookup=made.lookup,
        expires_at=made.expires_at,
        monthly_limit_usd=optional_usd(made.limit_nanousd),
        models=made.models,
    )


def _stored(found: keys.KeyDetails) -> StoredKeyReply:
    key, month = found.key, found.month
    return StoredKeyReply(
        id=key.id,
        name=key.name,
        lookup=key.lookup,
        developer=key.developer,
        state=key.state,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        models=key.models,
        monthly_limit_usd=optional_usd(month.limit),
        spent_usd=optional_usd(month.spent),
        held_usd=optional_usd(month.held),
        renews_at=month.renews_at,
        revision=found.revision,
    )
