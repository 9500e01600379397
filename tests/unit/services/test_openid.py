"""What an admin is told of sign-in with an OpenID provider."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.requester import Requester
from app.errors import NotPermitted, Unavailable
from app.services import openid
from app.services.openid import OpenIdState
from app.settings import OpenIdSettings
from app.storage.pages import PageWanted

ADMIN = Requester(uuid4(), "default", role="admin")
ISSUER, CALLBACK = "https://login.example.com", "https://cairn.example.com/callback"
SET = OpenIdSettings(issuer=ISSUER, client_id="cairn", name="Acme")


def rooms(settings: OpenIdSettings, error: Exception | None = None, *, pages: bool = True) -> Any:
    async def describe() -> None:
        if error is not None:
            raise error

    found = SimpleNamespace(callback=CALLBACK, provider=SimpleNamespace(describe=describe)) if pages else None
    return SimpleNamespace(settings=SimpleNamespace(openid=settings), openid=found)


@pytest.mark.parametrize(
    ("services", "state"),
    [
        (rooms(OpenIdSettings(), pages=False), OpenIdState()),
        (rooms(SET), OpenIdState("Acme", ISSUER, CALLBACK, None)),
        (rooms(SET, Unavailable("away", retry_after=1)), OpenIdState("Acme", ISSUER, CALLBACK, "away")),
        (rooms(SET, pages=False), OpenIdState("Acme", ISSUER, None, openid.NO_PAGES)),
    ],
    ids=["none is set", "it answers", "it is away", "the dashboard is off"],
)
async def test_an_admin_is_told_what_is_set_and_whether_it_can_be_used(services: Any, state: OpenIdState) -> None:
    assert await openid.check(services, ADMIN) == state


async def test_nobody_but_an_admin_is_told() -> None:
    who = Requester(uuid4(), "default", uuid4(), "ada", role="lead")
    for refused in (openid.check(rooms(SET), who), openid.list_linked(rooms(SET), who, PageWanted(10))):
        with pytest.raises(NotPermitted):
            await refused
