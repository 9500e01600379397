"""Opens sign-in with a provider, if one is set. Nothing is asked of it before somebody signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from app.openid.sign_in import OpenIdSignIn
from app.part import Opened, Part
from app.settings import Settings

CALLBACK_PATH: Final = "/dashboard/sign-in/openid/callback"
"""Path of the redirect URI, which is entered at the provider."""


@asynccontextmanager
async def open_openid(settings: Settings, *, secret_key: str) -> AsyncIterator[Opened[OpenIdSignIn | None]]:
    """Open it; None: no provider is set, or there are no pages to sign in to."""
    made = None
    if settings.openid.enabled and settings.dashboard.enabled and settings.server.public_url is not None:
        made = OpenIdSignIn(settings.openid, callback=settings.server.public_url + CALLBACK_PATH, secret_key=secret_key)
    yield made, Part(name="openid")
